"""Diagnoses, from what a cloud says or a console shows: pure functions.

The texts are those of Nova (nova/exception.py, its scheduler and its libvirt driver)
and of libvirt, which Nova passes on in an instance's fault.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from guestprep.boot.states import BootState
from kollarm.console_proof.model import Diagnosis, InstanceChange, ProofStage


@dataclass(frozen=True)
class PlacementFacts:
    """What is known about where an instance should run."""

    architecture: str | None
    """The image's property; None if it has none."""
    hosts: Sequence[str] | None
    """The architectures of the cloud's compute hosts; None if this user may not see them."""
    host: str | None = None
    """The host that was requested."""
    signed: bool = False
    """Whether the image has a signature for Nova to verify."""


@dataclass(frozen=True)
class _Known:
    """A fault that is recognised by its text."""

    pattern: str
    reason: str
    remedy: str
    stage: ProofStage = ProofStage.BUILD


_EXHAUSTED = r"Exceeded maximum number of retries|Exhausted all hosts"

#: The first one whose pattern is found counts.
_FAULTS = (
    _Known(
        r"UEFI is not supported|firmware to satisfy 'efi'|UEFI firmware|AAVMF|pflash",
        "the compute host has no UEFI firmware for the guest",
        "install qemu-efi-aarch64 (Debian, Ubuntu) or edk2-aarch64 (Rocky) in the image of "
        "nova-libvirt, or on the host; Nova on an x86 host looks for ovmf too",
        ProofStage.FIRMWARE,
    ),
    _Known(
        r"does not support '?virtio'? video|virtio-(gpu|vga)[\w-]*'? is not a valid device"
        r"|domain configuration does not support video model 'virtio'",
        "QEMU on the compute host has no virtio-gpu, the display that ARM guests drive",
        "install QEMU's module for it (qemu-system-modules-opengl, or qemu-kvm-device-display-"
        "virtio-gpu on Rocky) in the image of nova-libvirt, and restart nova-libvirt",
    ),
    _Known(
        r"could not find capabilities|[Nn]o emulator|Cannot find (a )?suitable emulator"
        r"|unsupported architecture|unknown OS type|does not support virt type",
        "the compute host can't run guests of this architecture",
        "is the image's property architecture right? Then look which hosts the scheduler may "
        "choose: openstack hypervisor list --long",
    ),
    _Known(
        r"CPU mode .* not supported|unsupported CPU|CPU model|host-passthrough",
        "the compute host can't give the guest the CPU that Nova is configured for",
        "set [libvirt] cpu_mode in nova.conf of that host: host-passthrough with KVM, none without",
    ),
    _Known(
        r"KVM kernel module|/dev/kvm|kvm.*not available|failed to initialize kvm",
        "the compute host has no KVM that works",
        "is /dev/kvm there, and is virtualisation switched on in the host's firmware?",
    ),
    _Known(
        r"machine type .* not support|unsupported machine type|not a valid machine",
        "the compute host's QEMU doesn't know the image's machine type",
        "set the image's property hw_machine_type to virt (kollarm guest publish does)",
    ),
    _Known(
        r"[Ss]ignature verification for the image failed",
        "Nova verifies the signatures of images, and found none of this one that it can verify",
        "publish it with cloud.signing (docs/publish.md); is the certificate in the cloud's key "
        "manager, where Nova may read it?",
    ),
    _Known(
        r"No more available PCI",
        "the guest's machine has no free slot for one more disk, port or other device",
        "nova.conf of the compute host: [libvirt] num_pcie_ports = 16 (at most 28), restart "
        "nova-compute; guests that run get the slots by a hard reboot",
    ),
    _Known(
        r"[Nn]o space left|disk space",
        "the compute host has no room for the instance's disk",
        "free some space in its state path, usually /var/lib/nova/instances",
    ),
    _Known(
        r"VirtualInterfaceCreateException|[Ff]ailed to allocate the network|port binding",
        "the network didn't give the instance its port",
        "check neutron's agents (openstack network agent list), or use --network none",
    ),
    _Known(
        r"[Ii]mage .* (could not be found|is unacceptable)|[Ii]mage download|corrupt",
        "the compute host couldn't fetch the image",
        "can that host reach Glance? Its nova-compute's log has the reason",
    ),
    _Known(
        _EXHAUSTED,
        "every compute host that was tried failed to create the instance",
        "the reason is only in the log of nova-compute on those hosts; openstack server "
        "event list shows which hosts were tried, as long as the instance exists",
    ),
)

_NO_HOST = re.compile(r"No valid host|There are not enough hosts|NoValidHost", re.IGNORECASE)


def from_fault(fault: str, place: PlacementFacts) -> Diagnosis:
    """Why an instance went into the state ERROR.

    :param fault: the message of the instance's fault, and the details if they are visible.
    """
    if place.signed and re.search(_EXHAUSTED, fault):
        # For a signature that doesn't fit Nova has no words (nova/image/glance.py).
        return Diagnosis(
            ProofStage.BUILD,
            "every compute host that was tried failed to create the instance; the image is signed, "
            "and Nova gives no reason where a signature is not of the image's content",
            "“Image signature verification failed” in the log of nova-compute? Then publish the "
            "image again with cloud.signing, and a key that fits the certificate",
            fault,
        )
    for known in _FAULTS:
        # The scheduler's "retries exceeded" contains the fault of the last host.
        if re.search(known.pattern, fault):
            return Diagnosis(known.stage, known.reason, known.remedy, fault)
    if _NO_HOST.search(fault):
        return _no_host(fault, place)
    return Diagnosis(
        ProofStage.BUILD,
        "the compute host could not create the instance",
        "the reason is in the logs of nova-compute, libvirt and QEMU on that host",
        fault,
    )


def _no_host(fault: str, place: PlacementFacts) -> Diagnosis:
    wanted = place.architecture
    if wanted and place.hosts is not None and wanted not in place.hosts:
        present = ", ".join(sorted(set(place.hosts))) or "nothing"
        return Diagnosis(
            ProofStage.SCHEDULER,
            f"no compute host runs {wanted} guests; the cloud's hosts run: {present}",
            f"add a host of that architecture, or correct the image's property architecture "
            f"(now {wanted}); openstack compute service list shows whether one is down",
            fault,
        )
    if place.host:
        return Diagnosis(
            ProofStage.SCHEDULER,
            f"the host {place.host} cannot take the instance, or does not exist",
            "openstack compute service list shows the hosts; is it up, enabled, with room, and of "
            f"the architecture {wanted or 'of the image'}?",
            fault,
        )
    what = f" that runs {wanted} guests" if wanted else ""
    return Diagnosis(
        ProofStage.SCHEDULER,
        f"no compute host{what} has room for it, or none is up",
        "openstack compute service list (down or disabled?), openstack hypervisor stats show "
        "(room?); the scheduler's log shows which filter left no host",
        fault,
    )


@dataclass(frozen=True)
class _Refusal:
    """A refusal that is recognised by its status, its text or both."""

    status: int | None
    pattern: str
    reason: str
    remedy: str


_REFUSALS = (
    _Refusal(
        None,
        r"[Qq]uota|Maximum number of",
        "the project's quota has no room for one more instance",
        "delete an instance, choose a smaller --flavor, or ask for more: openstack quota show",
    ),
    _Refusal(
        401,
        "",
        "the cloud does not accept the credentials",
        "check username, password and project in clouds.yaml",
    ),
    _Refusal(
        403,
        "",
        "this user may not do that",
        "starting an instance requires the role member in the project; --host, and a flavor "
        "without a disk, require administrator rights",
    ),
    _Refusal(
        400,
        r"[Ff]lavor's (disk|memory) is too small|smaller than the minimum",
        "the flavor is too small for the image",
        "choose a larger --flavor",
    ),
    _Refusal(
        400,
        r"[Hh]ost .*(could not be found|not found)",
        "there is no compute host with that name",
        "openstack compute service list shows them",
    ),
    _Refusal(400, "", "the cloud cannot do what was requested", "its own text says why"),
)


def from_refusal(status: int | None, text: str) -> Diagnosis:
    """Why the cloud refused a call.

    :param status: the HTTP status; None if there was no answer.
    """
    if status is None:
        return Diagnosis(
            ProofStage.REQUEST,
            "the cloud's compute service can't be reached",
            "is it running, and is the address in its catalogue (openstack catalog list) right?",
            text,
        )
    for known in _REFUSALS:
        if known.status in (None, status) and re.search(known.pattern, text):
            return Diagnosis(ProofStage.REQUEST, known.reason, known.remedy, text)
    return Diagnosis(
        ProofStage.REQUEST,
        f"the cloud's compute service answers with {status}",
        "try again; if it fails again, the reason is in nova-api's log",
        text,
    )


def from_proxy(text: str) -> Diagnosis:
    """Why the console's proxy gave no console."""
    if re.search(r"Unavailable console type|ConsoleTypeUnavailable", text):
        remedy = (
            "set [vnc] enabled = true in nova.conf of the compute host, and restart nova-compute"
        )
    elif re.search(r"certificate|CERTIFICATE|SSL", text):
        remedy = "name the proxy's CA as cacert in clouds.yaml"
    elif re.search(r"not a VNC server|closed the connection|has sent less|refuses", text):
        remedy = (
            "the proxy answers, but the guest's VNC server behind it does not: in nova.conf of the "
            "compute host, can the proxy reach [vnc] server_proxyclient_address?"
        )
    else:
        remedy = (
            "does nova-novncproxy run, and can this machine reach [vnc] novncproxy_base_url "
            "of the compute host's nova.conf?"
        )
    return Diagnosis(
        ProofStage.PROXY, "the console can't be reached through the proxy", remedy, text
    )


#: What Nova says of an instance without a serial console.
_NO_SERIAL = r"Unavailable console type|ConsoleTypeUnavailable|ConsoleTypeInvalid"


def from_serial_proxy(text: str) -> Diagnosis:
    """Why the proxy of serial consoles gave none."""
    if re.search(_NO_SERIAL, text):
        remedy = (
            "the cloud has no serial consoles: set [serial_console] enabled = true in nova.conf of "
            "the compute host, and hard-reboot the guest"
        )
    else:
        remedy = (
            "does nova-serialproxy run, and can this machine reach [serial_console] base_url of "
            "the compute host's nova.conf?"
        )
    return Diagnosis(ProofStage.PROXY, "the serial console can't be reached", remedy, text)


def after(change: InstanceChange, found: Diagnosis) -> Diagnosis:
    """What a diagnosis means where the console was there before a change."""
    remedy = found.remedy
    # Nova's LibvirtDriver._serial_ports_already_defined takes the machine as it was for one that
    # is migrated, whose serial port comes with it.
    if change is InstanceChange.RESIZE and re.search(_NO_SERIAL, found.fault):
        remedy = (
            "Nova leaves a guest without its serial port that stays on its host: "
            "openstack server reboot --hard gives it back"
        )
    return replace(found, reason=f"{change.stage}: {found.reason}", remedy=remedy)


def from_consoles(screen: BootState, serial: BootState, *, silent: bool) -> Diagnosis:
    """Why the screen shows no login prompt.

    :param silent: whether the serial console printed nothing at all.
    """
    meaning = screen.meaning
    if screen is BootState.DISPLAY_NOT_ACTIVE and serial in _RUNNING:
        return Diagnosis(
            ProofStage.SCREEN,
            f"{meaning}, while the serial console shows: {serial}",
            "the image loads no virtio_gpu at boot, or hw_video_model is not virtio: "
            "kollarm guest prepare, then kollarm guest publish, fix both",
        )
    state = serial if serial.stuck or screen in _UNKNOWN else screen
    if state.before_kernel or (silent and screen in _UNKNOWN):
        return Diagnosis(
            ProofStage.FIRMWARE,
            "nothing was printed on either console" if silent else state.meaning,
            state.remedy
            or "is the image for this architecture, with a UEFI boot loader and the property "
            "hw_firmware_type=uefi? kollarm guest boot FILE tries it without the cloud",
        )
    kernel = state if state in _KERNEL else serial
    if kernel in _KERNEL:
        return Diagnosis(
            ProofStage.KERNEL,
            kernel.meaning,
            kernel.remedy
            or "the serial console shows where it stopped: if it finds no root disk, it often has "
            "no driver for its bus (hw_disk_bus); if it was only slow, use a longer --timeout",
        )
    return Diagnosis(
        ProofStage.SCREEN,
        f"{meaning}, while the serial console shows: {serial}",
        "the last console= of the kernel's command line should be tty1: kollarm guest prepare "
        "sets it",
    )


_UNKNOWN = frozenset({BootState.DISPLAY_NOT_ACTIVE, BootState.UNKNOWN})
_RUNNING = frozenset({BootState.BOOTING, BootState.LOGIN_PROMPT})
_KERNEL = frozenset(
    {BootState.BOOTING, BootState.KERNEL_PANIC, BootState.INITRAMFS_SHELL, BootState.EMERGENCY_MODE}
)
