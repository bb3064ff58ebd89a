"""This machine's programs, and what reading and booting guest images needs."""

from __future__ import annotations

import importlib.util
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.config.model import Architecture, Config
from core.errors import KollarmError
from core.progress import duration
from core.run import which
from guestprep.appliance import ApplianceError, Drive, acceleration, launch_appliance
from guestprep.boot.machine import Accelerator, choose_accelerator, find_firmware
from kollarm.doctor.model import DoctorFinding, Fix, failed, good, lacking, note


@dataclass(frozen=True)
class Tool:
    """A program and the Debian package that brings it."""

    command: str
    package: str


GUEST_TOOLS = (
    Tool("qemu-img", "qemu-utils"),
    Tool("gpgv", "gpgv"),
    Tool("setpriv", "util-linux"),
)
BOOT_TOOLS = (Tool("qemu-system-aarch64", "qemu-system-arm"), Tool("tesseract", "tesseract-ocr"))
BOOTSTRAP_TOOLS = (Tool("mmdebstrap", "mmdebstrap"), Tool("arch-test", "arch-test"))
KOLLA_TOOLS = (Tool("git", "git"),)
DEPLOY_TOOLS = (Tool("ssh", "openssh-client"),)
REGISTRY_TOOLS = (Tool("docker-registry", "docker-registry"),)


def wanted_tools(config: Config) -> list[Tool]:
    """The programs that what the configuration asks for runs."""
    tools = [*KOLLA_TOOLS]
    if config.registry.embedded:
        tools += REGISTRY_TOOLS
    if config.build.base.bootstrap is not None:
        tools += BOOTSTRAP_TOOLS
    if config.guests:
        tools += GUEST_TOOLS
    if any(guest.boot != "none" for guest in config.guests):
        tools += BOOT_TOOLS
    if config.deploy is not None:
        tools += DEPLOY_TOOLS
    return tools


def programs(config: Config) -> Iterator[DoctorFinding]:
    """Whether each program is there."""
    tools = wanted_tools(config)
    missing = [tool for tool in tools if which(tool.command) is None]
    for tool in missing:
        yield lacking(
            "programs",
            f"{tool.command} isn't installed",
            f"install the package {tool.package}",
            Fix(packages=(tool.package,)),
        )
    if not missing:
        yield good("programs", ", ".join(tool.command for tool in tools))
    # Virtual environments for Kolla, kolla-ansible and the embedded Glance.
    if importlib.util.find_spec("ensurepip") is None:
        yield lacking(
            "programs",
            "this Python can't make virtual environments with pip",
            "install the package python3-venv",
            Fix(packages=("python3-venv",)),
        )


def firmware(config: Config) -> Iterator[DoctorFinding]:
    """UEFI firmware for booting arm64 guests, and what runs their instructions."""
    if all(guest.boot == "none" for guest in config.guests):
        return
    try:
        found = find_firmware()
    except KollarmError as error:
        yield failed("firmware", error, Fix(packages=("qemu-efi-aarch64",)))
        return
    yield good("firmware", str(found.code))
    if which("qemu-system-aarch64") is None:
        return
    if choose_accelerator(Accelerator.AUTO, found) is Accelerator.KVM:
        yield good("booting guests", "arm64 guests boot with KVM")
    else:
        why = (
            "KVM doesn't work here"
            if platform.machine() == Architecture.AARCH64
            else f"this machine is {platform.machine()}"
        )
        yield note("booting guests", f"arm64 guests boot by emulation, 1 to 3 minutes each: {why}")


def kernel(folder: Path = Path("/boot")) -> DoctorFinding:
    """A kernel that libguestfs may read, to start its appliance with."""
    if named := os.environ.get("SUPERMIN_KERNEL"):
        return good("kernel", f"SUPERMIN_KERNEL names {named}")
    kernels = sorted(folder.glob("vmlinu[xz]-*"))
    readable = [one for one in kernels if os.access(one, os.R_OK)]
    if readable:
        return good("kernel", f"{readable[-1]} can be read")
    if kernels:
        return lacking(
            "kernel",
            f"{kernels[-1]} can't be read by this user, and libguestfs has to",
            f"sudo chmod a+r {kernels[-1]}",
            Fix(command=("chmod", "a+r", str(kernels[-1]))),
        )
    ubuntu = platform.freedesktop_os_release().get("ID") == "ubuntu"
    debian = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = "linux-image-virtual" if ubuntu else f"linux-image-cloud-{debian}"
    return lacking(
        "kernel",
        f"there is no kernel in {folder} for libguestfs to start its appliance with",
        f"install the package {package}; the machine needn't boot it",
        Fix(packages=(package,)),
    )


def appliance(config: Config) -> Iterator[DoctorFinding]:
    """libguestfs, by starting its appliance, and whether it could use KVM for that."""
    if not config.guests:
        return
    host = kernel()
    yield host
    if importlib.util.find_spec("guestfs") is None:
        yield lacking(
            "libguestfs",
            "this Python has no guestfs module",
            "install the package python3-guestfs and make .venv from the distribution's own "
            "Python with system site packages (make setup does both)",
            Fix(packages=("python3-guestfs",)),
        )
        return
    if host.remedy:
        return  # it would only fail, and say the same
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
    """What a launch told of KVM.

    :param present: the device may be opened.
    :param known: an earlier launch had found it broken.
    :param works: the launch just now could use it.
    """
    if not present:
        if acceleration.DEVICE.exists():
            return note(
                "KVM",
                f"{acceleration.DEVICE} is there, but not for this user: "
                "guest images are read by emulation, several times slower",
                "sudo adduser $USER kvm, and log in again",
            )
        return note(
            "KVM",
            f"there is no {acceleration.DEVICE}: guest images are read by emulation, "
            "several times slower",
            "enable virtualization in the firmware, or nested virtualization for this machine",
        )
    if works:
        return good("KVM", f"{acceleration.DEVICE} works")
    when = "as an earlier launch since this boot found" if known else "as the launch just now found"
    return note(
        "KVM",
        f"{acceleration.DEVICE} is there but doesn't work, {when}: guest images are read by "
        "emulation, several times slower",
        "usually nested virtualization that the outer hypervisor can't do: ask its operator, "
        "or use another machine",
    )
