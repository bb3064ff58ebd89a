"""This machine's programs, and what is needed to read and boot guest images."""

from __future__ import annotations

import importlib.util
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from core.config.model import Architecture, Config, Guest
from core.errors import KollarmError
from core.progress import duration
from core.run import which
from guestprep import default_archives
from guestprep.appliance import ApplianceError, Drive, acceleration, launch_appliance
from guestprep.archive.keyrings import can_be_fetched
from guestprep.boot.machine import Accelerator, choose_accelerator, find_firmware
from guestprep.source.catalogue import CATALOGUE
from kollarm.doctor.model import DoctorFinding, Fix, failed, good, missing, note

# Programs, and the Debian package of each.
GUEST_TOOLS = {"qemu-img": "qemu-utils", "gpgv": "gpgv", "setpriv": "util-linux"}
BOOT_TOOLS = {"qemu-system-aarch64": "qemu-system-arm", "tesseract": "tesseract-ocr"}
BOOTSTRAP_TOOLS = {"mmdebstrap": "mmdebstrap", "arch-test": "arch-test"}
KOLLA_TOOLS = {"git": "git"}
DEPLOY_TOOLS = {"ssh": "openssh-client"}
REGISTRY_TOOLS = {"docker-registry": "docker-registry"}

#: The remedy where the device of KVM may not be opened.
JOIN_KVM = "sudo adduser $USER kvm, and log in again"


def required_tools(config: Config) -> dict[str, str]:
    """The programs that a run of the configuration needs, with their packages."""
    tools = dict(KOLLA_TOOLS)
    if config.registry.embedded:
        tools |= REGISTRY_TOOLS
    if config.build.base.bootstrap is not None:
        tools |= BOOTSTRAP_TOOLS
    if config.guests:
        tools |= GUEST_TOOLS
    if any(guest.boot != "none" for guest in config.guests):
        tools |= BOOT_TOOLS
    if config.deploy is not None:
        tools |= DEPLOY_TOOLS
    return tools


def programs(config: Config) -> Iterator[DoctorFinding]:
    """Check that each program is installed."""
    tools = required_tools(config)
    absent = [name for name in tools if which(name) is None]
    for name in absent:
        yield missing(
            "programs",
            f"{name} isn't installed",
            f"install the package {tools[name]}",
            Fix(packages=(tools[name],)),
        )
    if not absent:
        yield good("programs", ", ".join(tools))
    # Virtual environments for Kolla, kolla-ansible and the embedded Glance.
    if importlib.util.find_spec("ensurepip") is None:
        yield missing(
            "programs",
            "this Python cannot make virtual environments with pip",
            "install the package python3-venv",
            Fix(packages=("python3-venv",)),
        )


def keyrings(config: Config) -> Iterator[DoctorFinding]:
    """Check that there are the keyrings that sign the guests' sources and archives."""
    needed = {path for guest in config.guests for path in _keyrings_of(guest)}
    absent = [path for path in sorted(needed) if not path.is_file()]
    fetched = [path for path in absent if can_be_fetched(path)]
    for path in absent:
        if path not in fetched:
            names = "debian-archive-keyring, ubuntu-keyring or ubuntu-cloudimage-keyring"
            yield missing(
                "keyrings",
                f"there is no {path}, which signs guest images or their packages",
                f"install its package ({names}), or name a keyring in the guest's source",
            )
    if fetched:
        files = ", ".join(path.name for path in fetched)
        yield note("keyrings", f"{files}: fetched from Debian's archive when it is needed")
    elif needed and not absent:
        yield good("keyrings", ", ".join(path.name for path in sorted(needed)))


def _keyrings_of(guest: Guest) -> Iterator[Path]:
    source = guest.source
    if source.image is not None and source.image in CATALOGUE:
        if source.sha256 is None:
            yield source.keyring or CATALOGUE[source.image].keyring
        if not guest.archives:
            yield default_archives.KEYRINGS[source.image.partition("-")[0]]
    elif source.keyring is not None:
        yield source.keyring
    yield from (archive.keyring for archive in guest.archives)


def firmware(config: Config) -> Iterator[DoctorFinding]:
    """Check that there is UEFI firmware for arm64 guests, and whether KVM can run them."""
    if all(guest.boot == "none" for guest in config.guests):
        return
    try:
        files = find_firmware()
    except KollarmError as error:
        yield failed("firmware", error, Fix(packages=("qemu-efi-aarch64",)))
        return
    yield good("firmware", str(files.code))
    if which("qemu-system-aarch64") is None:
        return
    if choose_accelerator(files) is Accelerator.KVM:
        yield good("booting guests", "arm64 guests boot with KVM")
    else:
        yield emulated_boot(platform.machine())


def emulated_boot(machine: str) -> DoctorFinding:
    """Why arm64 guests don't boot with KVM on a machine of an architecture."""
    remedy = None
    if machine != Architecture.AARCH64:
        why = f"this machine is {machine}"
    elif not acceleration.DEVICE.exists():
        why = f"there is no {acceleration.DEVICE}"
    elif not acceleration.present():
        why, remedy = f"this user may not use {acceleration.DEVICE}", JOIN_KVM
    else:
        why = f"{acceleration.DEVICE} exists but does not work"
    text = f"arm64 guests boot by emulation, 1 to 3 minutes each: {why}"
    return note("booting guests", text, remedy)


def kernel(folder: Path = Path("/boot")) -> DoctorFinding:
    """Check that there is a kernel that libguestfs can start its appliance with."""
    if named := os.environ.get("SUPERMIN_KERNEL"):
        return good("kernel", f"SUPERMIN_KERNEL names {named}")
    kernels = sorted(folder.glob("vmlinu[xz]-*"))
    readable = [path for path in kernels if os.access(path, os.R_OK)]
    if readable:
        return good("kernel", f"{readable[-1]} can be read")
    if kernels:
        return missing(
            "kernel",
            f"{kernels[-1]} cannot be read by this user, as libguestfs requires",
            f"sudo chmod a+r {kernels[-1]}",
            Fix(command=("chmod", "a+r", str(kernels[-1]))),
        )
    ubuntu = platform.freedesktop_os_release().get("ID") == "ubuntu"
    debian = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = "linux-image-virtual" if ubuntu else f"linux-image-cloud-{debian}"
    return missing(
        "kernel",
        f"there is no kernel in {folder} for libguestfs to start its appliance with",
        f"install the package {package}; the machine does not have to boot it",
        Fix(packages=(package,)),
    )


def appliance(config: Config) -> Iterator[DoctorFinding]:
    """Check that libguestfs starts its appliance, and whether it can use KVM for that."""
    if not config.guests:
        return
    host = kernel()
    yield host
    if importlib.util.find_spec("guestfs") is None:
        yield missing(
            "libguestfs",
            "this Python has no guestfs module",
            "install the package python3-guestfs, and kollarm into the distribution's own Python "
            "with system site packages (make setup does both; pipx: --python /usr/bin/python3 "
            "--system-site-packages)",
            Fix(packages=("python3-guestfs",)),
        )
        return
    if host.remedy:
        return  # it would fail for the same reason
    present = acceleration.present()
    known = present and not acceleration.usable()
    started = time.monotonic()
    try:
        with tempfile.NamedTemporaryFile(suffix=".raw") as disk:
            disk.truncate(1 << 20)
            with launch_appliance([Drive(Path(disk.name), "raw")]):
                seconds = time.monotonic() - started
    except ApplianceError as error:
        yield failed("libguestfs", error)
        return
    yield good("libguestfs", f"its appliance starts ({duration(seconds)})")
    yield acceleration_finding(present=present, known=known, works=acceleration.usable())


def acceleration_finding(*, present: bool, known: bool, works: bool) -> DoctorFinding:
    """Whether KVM works, judged by a launch of the appliance.

    :param present: whether the device can be opened.
    :param known: whether an earlier launch had found it broken.
    :param works: whether this launch could use it.
    """
    if not present:
        if acceleration.DEVICE.exists():
            return note(
                "KVM",
                f"{acceleration.DEVICE} exists, but this user may not use it: "
                "guest images are read by emulation, several times slower",
                JOIN_KVM,
            )
        return note(
            "KVM",
            f"there is no {acceleration.DEVICE}: guest images are read by emulation, "
            "several times slower",
            "enable virtualization in the firmware, or nested virtualization for this machine",
        )
    if works:
        return good("KVM", f"{acceleration.DEVICE} works")
    when = "an earlier launch since this boot" if known else "this launch"
    return note(
        "KVM",
        f"{acceleration.DEVICE} exists but does not work, as {when} showed: guest images are read "
        "by emulation, several times slower",
        "usually the outer hypervisor does not support nested virtualization: ask its operator, "
        "or use another machine",
    )
