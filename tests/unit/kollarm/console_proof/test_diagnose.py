"""What failed, told from the cloud's own words; those are Nova's and libvirt's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guestprep.boot.states import BootState
from kollarm.console_proof.diagnose import (
    PlacementFacts,
    after,
    from_consoles,
    from_fault,
    from_proxy,
    from_refusal,
    from_serial_proxy,
)
from kollarm.console_proof.model import InstanceChange, ProofStage

ANYWHERE = PlacementFacts("aarch64", ["aarch64", "x86_64"])
NO_HOST = "No valid host was found. There are not enough hosts available."


@pytest.mark.parametrize(
    ("fault", "stage", "remedy"),
    [
        ("UEFI is not supported", ProofStage.FIRMWARE, "qemu-efi-aarch64"),
        (
            "unsupported configuration: Unable to find any firmware to satisfy 'efi'",
            ProofStage.FIRMWARE,
            "qemu-efi-aarch64",
        ),
        (
            "unsupported configuration: domain configuration does not support video model 'virtio'",
            ProofStage.BUILD,
            "qemu-system-modules-opengl",
        ),
        (
            "internal error: process exited while connecting to monitor: qemu-system-aarch64: "
            "-device virtio-gpu-pci: 'virtio-gpu-pci' is not a valid device model name",
            ProofStage.BUILD,
            "qemu-system-modules-opengl",
        ),
        (
            "invalid argument: could not find capabilities for arch=aarch64 domaintype=kvm",
            ProofStage.BUILD,
            "property architecture",
        ),
        (
            "unsupported configuration: CPU mode 'host-passthrough' for aarch64 qemu domain on "
            "x86_64 host is not supported by hypervisor",
            ProofStage.BUILD,
            "cpu_mode",
        ),
        ("Could not access KVM kernel module: Permission denied", ProofStage.BUILD, "/dev/kvm"),
        (
            "Build of instance X aborted: Signature verification for the image failed: Required "
            "image properties for signature verification do not exist.",
            ProofStage.BUILD,
            "cloud.signing",
        ),
        ("internal error: No more available PCI slots", ProofStage.BUILD, "num_pcie_ports"),
        ("Build of instance X aborted: No space left on device", ProofStage.BUILD, "instances"),
        (
            "Failed to allocate the network(s), not rescheduling.",
            ProofStage.BUILD,
            "--network none",
        ),
        (
            "Exceeded maximum number of retries. Exhausted all hosts available for retrying build "
            "failures for instance X.",
            ProofStage.BUILD,
            "log of nova-compute",
        ),
        ("something that nobody has seen", ProofStage.BUILD, "nova-compute"),
    ],
)
def test_a_known_fault_names_its_stage_and_remedy(
    fault: str, stage: ProofStage, remedy: str
) -> None:
    found = from_fault(fault, ANYWHERE)
    assert found.stage is stage
    assert remedy in found.remedy
    assert found.fault == fault


def test_no_reason_for_a_signed_image_may_be_its_signature() -> None:
    fault = "Exceeded maximum number of retries. Exhausted all hosts available."
    found = from_fault(fault, replace(ANYWHERE, signed=True))
    assert "signature" in found.reason and "nova-compute" in found.remedy
    assert "signature" not in from_fault(fault, ANYWHERE).reason


def test_the_last_hosts_fault_counts_more_than_no_valid_host() -> None:
    fault = (
        "Exceeded maximum number of retries. Exhausted all hosts available for retrying build "
        "failures for instance X. Last exception: UEFI is not supported\n" + NO_HOST
    )
    assert from_fault(fault, ANYWHERE).stage is ProofStage.FIRMWARE


def test_no_host_of_the_images_architecture_is_said_so() -> None:
    found = from_fault(NO_HOST, PlacementFacts("aarch64", ["x86_64", "x86_64"]))
    assert found.stage is ProofStage.SCHEDULER
    assert found.reason.startswith("no compute host runs aarch64 guests")
    assert found.reason.endswith("x86_64")


@pytest.mark.parametrize("hosts", [None, ["aarch64"]])
def test_no_host_is_said_without_guessing_why(hosts: list[str] | None) -> None:
    found = from_fault(NO_HOST, PlacementFacts("aarch64", hosts))
    assert found.stage is ProofStage.SCHEDULER
    assert "room" in found.reason


def test_a_host_that_was_asked_for_is_named() -> None:
    found = from_fault(NO_HOST, PlacementFacts("aarch64", ["aarch64"], host="arm7"))
    assert "arm7" in found.reason


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (403, "Quota exceeded for cores: Requested 2, but already used 20 of 20 cores", "quota"),
        (403, "Quota exceeded, too many servers.", "quota"),
        (
            403,
            "Policy doesn't allow os_compute_api:servers:create:zero_disk_flavor to be performed",
            "may not",
        ),
        (401, "The request you have made requires authentication.", "credentials"),
        (400, "Flavor's disk is too small for requested image.", "too small"),
        (400, "Compute host nowhere could not be found.", "no compute host"),
        (400, "Invalid input", "what was requested"),
        (500, "Unexpected API Error", "answers with 500"),
        (None, "Connection refused", "can't be reached"),
    ],
)
def test_a_refusal_is_told_in_plain_words(status: int | None, text: str, reason: str) -> None:
    found = from_refusal(status, text)
    assert found.stage is ProofStage.REQUEST
    assert reason in found.reason
    assert found.fault == text


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("Unavailable console type novnc.", "[vnc] enabled"),
        ("the console proxy cloud:6080 can't be reached: Connection refused", "nova-novncproxy"),
        ("the console proxy cloud:6080 closed the connection", "server_proxyclient_address"),
        ("certificate verify failed: self-signed certificate", "cacert"),
    ],
)
def test_a_proxys_fault_names_what_to_look_at(text: str, remedy: str) -> None:
    assert remedy in from_proxy(text).remedy


@pytest.mark.parametrize(
    ("screen", "serial", "silent", "stage"),
    [
        (BootState.DISPLAY_NOT_ACTIVE, BootState.LOGIN_PROMPT, False, ProofStage.SCREEN),
        (BootState.DISPLAY_NOT_ACTIVE, BootState.BOOTING, False, ProofStage.SCREEN),
        (BootState.DISPLAY_NOT_ACTIVE, BootState.UNKNOWN, True, ProofStage.FIRMWARE),
        (BootState.FIRMWARE_SHELL, BootState.FIRMWARE, False, ProofStage.FIRMWARE),
        (BootState.FIRMWARE_MENU, BootState.UNKNOWN, True, ProofStage.FIRMWARE),
        (BootState.DISPLAY_NOT_ACTIVE, BootState.GRUB_PROMPT, False, ProofStage.FIRMWARE),
        (BootState.UNKNOWN, BootState.KERNEL_PANIC, False, ProofStage.KERNEL),
        (BootState.BOOTING, BootState.UNKNOWN, True, ProofStage.KERNEL),
        (BootState.INITRAMFS_SHELL, BootState.INITRAMFS_SHELL, False, ProofStage.KERNEL),
        (BootState.UNKNOWN, BootState.LOGIN_PROMPT, False, ProofStage.SCREEN),
    ],
)
def test_the_consoles_tell_how_far_it_came(
    screen: BootState, serial: BootState, silent: bool, stage: ProofStage
) -> None:
    assert from_consoles(screen, serial, silent=silent).stage is stage


@given(st.text(), st.sampled_from([None, "aarch64"]), st.none() | st.lists(st.just("x86_64")))
def test_every_fault_has_a_reason_and_a_remedy(
    fault: str, architecture: str | None, hosts: list[str] | None
) -> None:
    found = from_fault(fault, PlacementFacts(architecture, hosts))
    assert found.reason and found.remedy and found.fault == fault


def test_a_serial_port_that_a_resize_took_comes_back_by_a_reboot() -> None:
    gone = from_serial_proxy("400: Unavailable console type serial.")
    found = after(InstanceChange.RESIZE, gone)
    assert "reboot --hard" in found.remedy and found.reason.startswith(ProofStage.RESIZE)
    assert "enabled" in after(InstanceChange.REBUILD, gone).remedy
    refused = from_serial_proxy("connection refused")
    assert after(InstanceChange.RESIZE, refused).remedy == refused.remedy
