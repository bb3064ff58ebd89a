"""Replacing a kernel that can't have the driver by one that has it: pure.

Three cases: Debian's cloud kernel is built without any graphics driver; an archive may have the
extra modules of a newer kernel only; and the guest may have a kernel with the driver beside one
without.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

from guestprep.archive.package import ArchivePackage
from guestprep.archive.resolve import AvailablePackages, resolve
from guestprep.facts import KernelFacts
from guestprep.parse.dpkg import DpkgStatus
from guestprep.parse.modules import kernel_order
from guestprep.plan.model import ReplaceStep
from guestprep.target import DEBIAN_ARCHITECTURE

#: The meta packages that pull in a kernel with graphics, by distribution.
_METAS = {
    "debian": (f"linux-image-{DEBIAN_ARCHITECTURE}",),
    "ubuntu": ("linux-image-extra-virtual", "linux-image-generic"),
}

#: What the names of one kernel's packages begin with, before its version.
_OF_ONE_KERNEL = (
    *("linux-image-", "linux-image-unsigned-", "linux-modules-"),
    *("linux-modules-extra-", "linux-image-extra-"),
)

#: What a plan says of a kernel without graphics that can't be removed.
_STAYS = (
    "; it stays, because something else needs it or no package has it, and the menu that a later "
    "update-grub makes may boot it first"
)

#: Names of the packages that bring a flavour's newest kernel, and have no files themselves.
_META = re.compile(r"^linux-(image-)?[a-z][a-z0-9-]*$")

#: The package of one kernel.
IMAGE = re.compile(r"^linux-image-(?:unsigned-)?(?P<version>[0-9].*)$")


def replacement(
    kernel: KernelFacts, distribution: str, status: DpkgStatus, available: AvailablePackages
) -> ReplaceStep | str:
    """The step that installs a kernel with graphics instead, or why there is none."""
    reasons = []
    for name in _METAS.get(distribution, ()):
        for meta in available.candidates(name)[:1]:
            if status.installed(name) is not None:
                reasons.append(f"{name} is already installed")
                continue
            resolution = resolve([meta], available, status)
            if resolution.faults:
                reasons.append(resolution.faults[0])
                continue
            image = next((entry for entry in resolution.packages if IMAGE.match(entry.name)), None)
            if image is None:
                reasons.append(f"{name} doesn't depend on a kernel")
                continue
            return _step(kernel, meta, image, resolution.packages, status)
    return "; ".join(reasons) or "no archive has one"


def switch(kernel: KernelFacts, present: KernelFacts, status: DpkgStatus) -> ReplaceStep:
    """The step that boots a kernel with graphics that the guest has already."""
    remove = () if kernel.drm else own_packages(kernel, status)
    return ReplaceStep(
        reason=f"kernel {kernel.version} has no graphics driver; {present.version}, which is "
        "installed too, has it" + ("" if kernel.drm or remove else _STAYS),
        packages=(),
        manual=(),
        kernel=present.version,
        old=kernel.version,
        remove=remove,
    )


def newest(kernels: Iterable[KernelFacts]) -> KernelFacts:
    """The kernel with the highest version."""
    return max(kernels, key=lambda kernel: kernel_order(kernel.version))


def merged(first: ReplaceStep, second: ReplaceStep) -> ReplaceStep:
    """One step for several kernels that the same one replaces."""
    return dataclasses.replace(
        first,
        reason="; ".join(dict.fromkeys((first.reason, second.reason))),
        remove=tuple(sorted({*first.remove, *second.remove})),
        others=(*first.others, *second.replaced),
    )


def _step(
    kernel: KernelFacts,
    meta: ArchivePackage,
    image: ArchivePackage,
    packages: tuple[ArchivePackage, ...],
    status: DpkgStatus,
) -> ReplaceStep:
    match = IMAGE.match(image.name)
    assert match is not None
    version = match["version"]
    remove: tuple[str, ...] = ()
    if kernel.drm:
        reason = (
            f"no archive has the extra modules of kernel {kernel.version} any more; "
            f"kernel {version} has them"
        )
    else:
        reason = f"kernel {kernel.version} can't have a graphics driver (CONFIG_DRM is off)"
        remove = own_packages(kernel, status)
        # GRUB sorts "-cloud-arm64" before "-arm64": it would stay the default.
        removed = "; it is removed because GRUB would otherwise still boot it by default"
        reason += removed if remove else _STAYS
    return ReplaceStep(
        reason=reason,
        packages=packages,
        manual=(meta.name,),
        kernel=version,
        old=kernel.version,
        remove=remove,
    )


def own_packages(kernel: KernelFacts, status: DpkgStatus) -> tuple[str, ...]:
    """The kernel's packages and the meta packages that need them; none if anything else does."""
    if not kernel.package:
        return ()
    flavour = re.sub(r"^.*?[0-9]-(?=[a-z])", "", kernel.version)  # 6.1.0-56-cloud-arm64
    names = [scheme + kernel.version for scheme in _OF_ONE_KERNEL] + [f"linux-image-{flavour}"]
    present = {name for name in names if status.installed(name) is not None}
    others = [entry for entry in status.packages.values() if entry.installed]
    while needing := {
        entry.name for entry in others if entry.name not in present and present & entry.needs
    }:
        if not all(_META.match(name) for name in needing):
            return ()
        present |= needing
    return tuple(sorted(present))
