"""Another kernel in place of one that can't have a screen: pure.

Two cases: Debian's cloud kernel is built without any graphics driver; and an archive that no
longer has the extra modules of an image's kernel has a newer kernel with its modules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from guestprep.archive.package import ArchivePackage
from guestprep.archive.resolve import AvailablePackages, resolve
from guestprep.facts import KernelFacts
from guestprep.parse.dpkg import DpkgStatus
from guestprep.plan.model import ReplaceStep
from guestprep.target import DEBIAN_ARCHITECTURE

#: The meta packages that pull in a kernel with graphics, by distribution.
_METAS = {
    "debian": (f"linux-image-{DEBIAN_ARCHITECTURE}",),
    "ubuntu": ("linux-image-extra-virtual", "linux-image-generic"),
}

_IMAGE = re.compile(r"^linux-image-(?:unsigned-)?(?P<version>[0-9].*)$")


@dataclass(frozen=True)
class NoReplacement:
    """Why no other kernel can take the place."""

    reason: str


def replacement(
    kernel: KernelFacts, distribution: str, status: DpkgStatus, available: AvailablePackages
) -> ReplaceStep | NoReplacement:
    """The step that puts in a kernel with graphics."""
    reasons = []
    for name in _METAS.get(distribution, ()):
        for meta in available.candidates(name)[:1]:
            if status.installed(name) is not None:
                reasons.append(f"{name} is installed already")
                continue
            found = resolve([meta], available, status)
            if found.faults:
                reasons.append(found.faults[0])
                continue
            image = next((entry for entry in found.packages if _IMAGE.match(entry.name)), None)
            if image is None:
                reasons.append(f"{name} brings no kernel")
                continue
            return _step(kernel, meta, image, found.packages, status)
    return NoReplacement("; ".join(reasons) or "no archive has another kernel")


def _step(
    kernel: KernelFacts,
    meta: ArchivePackage,
    image: ArchivePackage,
    packages: tuple[ArchivePackage, ...],
    status: DpkgStatus,
) -> ReplaceStep:
    match = _IMAGE.match(image.name)
    assert match is not None
    version = match["version"]
    remove: tuple[str, ...] = ()
    if kernel.drm:
        reason = (
            f"no archive has the extra modules of kernel {kernel.version} any more, "
            f"and {version} comes with them"
        )
    else:
        reason = f"kernel {kernel.version} can have no graphics driver at all (CONFIG_DRM is off)"
        remove = _flavour(kernel, status)
        if remove:
            # GRUB sorts "-cloud-arm64" before "-arm64": it would stay the default.
            reason += ", and left installed GRUB would go on starting it"
    return ReplaceStep(
        reason=reason,
        packages=packages,
        manual=(meta.name,),
        kernel=version,
        old=kernel.version,
        remove=remove,
    )


def _flavour(kernel: KernelFacts, status: DpkgStatus) -> tuple[str, ...]:
    """The kernel's own package and its meta package, unless something else needs them."""
    if not kernel.package:
        return ()
    flavour = re.sub(r"^.*?[0-9]-(?=[a-z])", "", kernel.version)  # 6.1.0-56-cloud-arm64
    names = {kernel.package} | ({f"linux-image-{flavour}"} if flavour else set())
    present = {name for name in names if status.installed(name) is not None}
    for package in status.packages.values():
        if package.installed and package.name not in present and present & package.needs:
            return ()
    return tuple(sorted(present))
