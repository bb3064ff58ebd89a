"""Why the appliance didn't start, and what to do about it."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from guestprep.appliance.client import ApplianceError


def explain(message: str, log: str, *, boot: Path = Path("/boot")) -> ApplianceError:
    """The error to show for a failed launch; without a hint where the cause is unknown.

    :param message: libguestfs's own message.
    :param log: the end of what the hypervisor printed.
    """
    lowered = f"{message}\n{log}".lower()
    if "no module named 'guestfs'" in lowered:
        return ApplianceError(
            "this Python doesn't have the binding of libguestfs",
            hint="install the package python3-guestfs and use the distribution's own Python "
            "with its packages; docs/install.md has the options of pipx, make setup sets them",
            details=message,
        )
    if "supermin" in lowered:
        return _explain_supermin(message, boot)
    if "no space left" in lowered:
        return ApplianceError(
            "not enough disk space to build libguestfs's appliance",
            hint="free space in /var/tmp, or set LIBGUESTFS_CACHEDIR to a folder with 1 GiB free",
            details=message,
        )
    if "qemu" in lowered and "not found" in lowered:
        return ApplianceError(
            "libguestfs doesn't find a hypervisor for this machine",
            hint="install the package qemu-system-x86 (on x86_64) or qemu-system-arm (on aarch64)",
            details=message,
        )
    if "kvm internal error" in lowered:
        return ApplianceError("QEMU reports a KVM internal error", details=log)
    first = message.splitlines()[0] if message else "no reason given"
    return ApplianceError(f"the appliance did not start: {first}", details=log or message)


def _explain_supermin(message: str, boot: Path) -> ApplianceError:
    kernels = sorted(boot.glob("vmlinu[xz]-*"))
    unreadable = [str(kernel) for kernel in kernels if not os.access(kernel, os.R_OK)]
    if not kernels and "SUPERMIN_KERNEL" not in os.environ:
        package = (
            "linux-image-cloud-amd64" if platform.machine() == "x86_64" else "linux-image-arm64"
        )
        return ApplianceError(
            f"libguestfs needs a kernel in {boot} to start its appliance, but there is none",
            hint=f"install one: apt-get install {package} (Ubuntu: linux-image-kvm or "
            "linux-image-virtual); the host needn't boot it",
            details=message,
        )
    if unreadable and len(unreadable) == len(kernels):
        return ApplianceError(
            f"libguestfs can't read the host's kernel: {unreadable[-1]}",
            hint=f"Ubuntu lets only root read it: sudo chmod 0644 {unreadable[-1]}, and to keep it "
            "so: sudo dpkg-statoverride --update --add root root 0644 "
            f"{unreadable[-1]}",
            details=message,
        )
    return ApplianceError(
        "supermin could not build libguestfs's appliance",
        hint="LIBGUESTFS_DEBUG=1 libguestfs-test-tool shows why",
        details=message,
    )
