"""From what a cloud says, or a console shows, to what failed and what to do: pure functions.

The texts are those of Nova (nova/exception.py, its scheduler and its libvirt driver)
and of libvirt, which Nova hands on in an instance's fault.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from guestprep.boot.states import BootState
from kollarm.console_proof.model import Diagnosis, ProofStage


@dataclass(frozen=True)
class PlacementFacts:
    """What is known of where an instance should run."""

    architecture: str | None
    """The image's property."""
    hosts: Sequence[str] | None
    """The architectures of the cloud's compute hosts; None where the credentials don't allow to see
    them.
    """
    host: str | None = None
    """The host that was asked for."""


@dataclass(frozen=True)
class _Known:
    """A fault that is known by its text."""

    pattern: str
    stage: ProofStage
    reason: str
    remedy: str


#: The first whose pattern is found counts.
_FAULTS = (
    _Known(
        r"UEFI is not supported|firmware to satisfy 'efi'|UEFI firmware|AAVMF|pflash",
        ProofStage.FIRMWARE,
        "the compute host has no UEFI firmware for the guest",
        "install qemu-efi-aarch64 (Debian, Ubuntu) or edk2-aarch64 (Rocky) in the image of "
        "nova-libvirt, or on the host; Nova on an x86 host looks for ovmf too",
    ),
    _Known(
        r"does not support '?virtio'? video|virtio-(gpu|vga)[\w-]*'? is not a valid device"
        r"|domain configuration does not support video model 'virtio'",
        ProofStage.BUILD,
        "QEMU on the compute host has no virtio-gpu, the display that ARM guests drive",
        "install QEMU's module for it (qemu-system-modules-opengl, or qemu-kvm-device-display-"
        "virtio-gpu on Rocky) in the image of nova-libvirt, and restart nova-libvirt",
    ),
    _Known(
        r"could not find capabilities|[Nn]o emulator|Cannot find (a )?suitable emulator"
        r"|unsupported architecture|unknown OS type|does not support virt type",
        ProofStage.BUILD,
        "the compute host can't run guests of this architecture",
        "is the image's property architecture right? Then look which hosts the scheduler may "
        "choose: openstack hypervisor list --long",
    ),
    _Known(
        r"CPU mode .* not supported|unsupported CPU|CPU model|host-passthrough",
        ProofStage.BUILD,
        "the compute host can't give the guest the CPU that Nova is configured for",
        "set [libvirt] cpu_mode in nova.conf of that host: host-passthrough with KVM, none without",
    ),
    _Known(
        r"KVM kernel module|/dev/kvm|kvm.*not available|failed to initialize kvm",
        ProofStage.BUILD,
        "the compute host has no KVM that works",
        "is /dev/kvm there, and is virtualisation switched on in the host's firmware?",
    ),
    _Known(
        r"machine type .* not support|unsupported machine type|not a valid machine",
        ProofStage.BUILD,
        "the compute host's QEMU doesn't know the image's machine type",
        "set the image's property hw_machine_type to virt (kollarm guest publish does)",
    ),
    _Known(
        r"[Nn]o space left|disk space",
        ProofStage.BUILD,
        "the compute host has no room for the instance's disk",
        "free some of what lies below its state path, usually /var/lib/nova/instances",
    ),
    _Known(
        r"VirtualInterfaceCreateException|[Ff]ailed to allocate the network|port binding",
        ProofStage.BUILD,
        "the network didn't give the instance its port",
        "look at neutron's agents (openstack network agent list), or prove it with --network none",
    ),
    _Known(
        r"[Ii]mage .* (could not be found|is unacceptable)|[Ii]mage download|corrupt",
        ProofStage.BUILD,
        "the compute host couldn't fetch the image",
        "can that host reach Glance? Its nova-compute's log has the reason",
    ),
    _Known(
        r"Exceeded maximum number of retries|Exhausted all hosts",
        ProofStage.BUILD,
        "every compute host that was tried failed to make the instance",
        "Nova keeps the reason in the log of nova-compute on those hosts alone; openstack server "
        "event list says which hosts were tried, as long as the instance is there",
    ),
)

_NO_HOST = re.compile(r"No valid host|There are not enough hosts|NoValidHost", re.IGNORECASE)


def from_fault(fault: str, place: PlacementFacts) -> Diagnosis:
    """Why an instance went into the state ERROR.

    :param fault: the message, and where it may be seen the details, of the instance's fault.
    """
    for known in _FAULTS:
        # What made the last host fail is told within the scheduler's "retries exceeded".
        if re.search(known.pattern, fault):
            return Diagnosis(known.stage, known.reason, known.remedy, fault)
    if _NO_HOST.search(fault):
        return _no_host(fault, place)
    return Diagnosis(
        ProofStage.BUILD,
        "the compute host couldn't make the instance",
        "the log of nova-compute on that host has the reason, and libvirt's and QEMU's beside it",
        fault,
    )


def _no_host(fault: str, place: PlacementFacts) -> Diagnosis:
    wanted = place.architecture
    if wanted and place.hosts is not None and wanted not in place.hosts:
        present = ", ".join(sorted(set(place.hosts))) or "none at all"
        return Diagnosis(
            ProofStage.SCHEDULER,
            f"no compute host runs {wanted} guests; the cloud's are for: {present}",
            f"add a host of that architecture, or correct the image's property architecture "
            f"(now {wanted}); openstack compute service list shows whether one is down",
            fault,
        )
    if place.host:
        return Diagnosis(
            ProofStage.SCHEDULER,
            f"the host {place.host} can't take the instance, or there is none of that name",
            "openstack compute service list shows the hosts; is it up, enabled, with room, and of "
            f"the architecture {wanted or 'of the image'}?",
            fault,
        )
    what = f" that runs {wanted} guests" if wanted else ""
    return Diagnosis(
        ProofStage.SCHEDULER,
        f"no compute host{what} has room for it, or none is up",
        "openstack compute service list (down or disabled?), openstack hypervisor stats show "
        "(room?); the scheduler's log tells which filter left no host",
        fault,
    )


@dataclass(frozen=True)
class _Refusal:
    """A refusal that is known by its status, its text or both."""

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
        "the cloud doesn't accept the credentials",
        "check username, password and project in clouds.yaml",
    ),
    _Refusal(
        403,
        "",
        "the user may not do that",
        "starting an instance takes the role member in the project; naming a --host, and a flavor "
        "without a disk, takes an administrator",
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
        "there is no compute host of that name",
        "openstack compute service list shows them",
    ),
    _Refusal(400, "", "the cloud can't do what was asked for", "its own text says why"),
)


def from_refusal(status: int | None, text: str) -> Diagnosis:
    """Why the cloud refused a call.

    :param status: the HTTP status; None where there was no answer.
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
        "try again; if it stays, nova-api's log has the reason",
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
    elif re.search(r"no VNC server|closed the connection|silent|refuses", text):
        remedy = (
            "the proxy answers, the guest's VNC server behind it doesn't: in nova.conf of the "
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


def from_consoles(screen: BootState, serial: BootState, *, silent: bool) -> Diagnosis:
    """Why the screen shows no login prompt.

    :param silent: whether the serial console printed nothing at all.
    """
    told = screen.meaning
    if screen is BootState.DISPLAY_NOT_ACTIVE and serial in _RUNNING:
        return Diagnosis(
            ProofStage.SCREEN,
            f"{told}, while the serial console shows: {serial}",
            "the image has no virtio_gpu that is loaded at boot, or hw_video_model isn't virtio: "
            "kollarm guest prepare, then kollarm guest publish, see to both",
        )
    state = serial if serial.stuck or screen in _UNTOLD else screen
    if state.before_kernel or (silent and screen in _UNTOLD):
        return Diagnosis(
            ProofStage.FIRMWARE,
            "nothing was printed on either console" if silent else state.meaning,
            "is it an image for this architecture, with a boot loader for UEFI, and does it have "
            "hw_firmware_type=uefi? kollarm guest boot FILE tries it without the cloud",
        )
    if state in _KERNEL or serial in _KERNEL:
        return Diagnosis(
            ProofStage.KERNEL,
            (state if state in _KERNEL else serial).meaning,
            "the serial console says what it stopped at: a root disk it doesn't find is often a "
            "bus it has no driver for (hw_disk_bus); where it was merely slow, a longer --timeout",
        )
    return Diagnosis(
        ProofStage.SCREEN,
        f"{told}, while the serial console shows: {serial}",
        "the last console= of the kernel's command line should be tty1: kollarm guest prepare "
        "sees to it",
    )


_UNTOLD = frozenset({BootState.DISPLAY_NOT_ACTIVE, BootState.UNKNOWN})
_RUNNING = frozenset({BootState.BOOTING, BootState.LOGIN_PROMPT})
_KERNEL = frozenset(
    {
        BootState.BOOTING,
        BootState.KERNEL_PANIC,
        BootState.INITRAMFS_SHELL,
        BootState.EMERGENCY_MODE,
    }
)
