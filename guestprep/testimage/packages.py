"""The .deb files of a test image's kernel."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from guestprep.testimage.kernel import Kernel, split
from kollarm import progress
from kollarm.run import run

#: Run when the kernel or its modules have changed: the hooks make the initramfs and grub.cfg.
_HOOKS = """\
if [ -x /usr/bin/linux-run-hooks ] && [ -e /boot/vmlinuz-{release} ]; then
    linux-run-hooks image postinst {release} /boot/vmlinuz-{release} -- "$@"
fi
"""

_MODULES_POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    depmod -a -F /boot/System.map-{release} {release} || true
fi
"""

_EXTRA_POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    depmod -a -F /boot/System.map-{release} {release} || true
    {hooks}
fi
"""

_IMAGE_POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    linux-update-symlinks install {release} /boot/vmlinuz-{release}
    {hooks}
fi
"""


@dataclass(frozen=True)
class Package:
    """What a package is to be: its control fields, scripts and the folder with its files.

    :param files: None for a package without files of its own (a meta package).
    """

    name: str
    version: str
    description: str
    depends: str = ""
    section: str = "kernel"
    scripts: Mapping[str, str] = field(default_factory=dict)
    files: Path | None = None

    def control(self, installed_kib: int) -> str:
        """The control file (deb-control(5))."""
        fields = {
            "Package": self.name,
            "Source": "linux-kollarm-test",
            "Version": self.version,
            "Architecture": "arm64",
            "Maintainer": "kollarm <kollarm@localhost>",
            "Installed-Size": str(installed_kib),
            "Depends": self.depends,
            "Section": self.section,
            "Priority": "optional",
            "Description": self.description,
        }
        return "".join(f"{key}: {value}\n" for key, value in fields.items() if value)


def build(package: Package, pool: Path, scratch: Path) -> Path:
    """Make the .deb in *pool* and return its path.

    :param scratch: an existing folder for the time being.
    """
    tree = package.files or scratch / f"{package.name}.empty"
    control = tree / "DEBIAN"
    control.mkdir(parents=True)
    size = sum(path.lstat().st_size for path in tree.rglob("*") if path.is_file())
    (control / "control").write_text(package.control(size // 1024))
    for name, text in package.scripts.items():
        (control / name).write_text(text)
        (control / name).chmod(0o755)
    for folder in [tree, *(path for path in tree.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)
    target = pool / f"{package.name}_{package.version}_arm64.deb"
    # The kernel's modules as fast as xz can: nobody downloads these.
    run(["dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", tree, target])
    return target


@dataclass(frozen=True)
class KernelPackages:
    """The packages made of a kernel.

    :param installed: those of the image.
    :param extra: those that only the archive has.
    """

    release: str
    version: str
    installed: tuple[Path, ...]
    extra: tuple[Path, ...]


def build_kernel(kernel: Kernel, pool: Path, scratch: Path) -> KernelPackages:
    """Split a kernel and make its packages in *pool*."""
    release = kernel.release
    version = f"{release.partition('-')[0].partition('+')[0]}-1~kollarm1"
    meta_version = f"{release.partition('-')[0].partition('+')[0]}.1"
    modules = split(kernel.dependencies())
    hooks = _HOOKS.format(release=release).replace("\n", "\n    ").strip()
    image, cloud, extra = (scratch / name for name in ("image", "cloud", "extra"))
    with progress.current().step(f"split kernel {release} into packages") as step:
        (image / "boot").mkdir(parents=True)
        shutil.copy(kernel.tree / f"boot/vmlinuz-{release}", image / "boot")
        (cloud / "boot").mkdir(parents=True)
        for name in (f"config-{release}", f"System.map-{release}"):
            shutil.copy(kernel.tree / "boot" / name, cloud / "boot")
        kernel.copy_modules(modules.cloud, cloud)
        for path in kernel.modules.glob("modules.builtin*"):
            if not path.name.endswith(".bin"):
                shutil.copy(path, cloud / "lib/modules" / release)
        shutil.copy(kernel.modules / "modules.order", cloud / "lib/modules" / release)
        kernel.copy_modules(modules.extra, extra)
        scripts = {
            "image": {"postinst": _IMAGE_POSTINST.format(release=release, hooks=hooks)},
            "modules": {"postinst": _MODULES_POSTINST.format(release=release)},
            "extra": {"postinst": _EXTRA_POSTINST.format(release=release, hooks=hooks)},
        }
        image_name, extra_name = f"linux-image-{release}", f"linux-modules-extra-{release}"
        installed = (
            Package(
                f"linux-modules-{release}",
                version,
                f"Linux kernel modules for a cloud, version {release}",
                scripts=scripts["modules"],
                files=cloud,
            ),
            Package(
                image_name,
                version,
                f"Linux kernel image, version {release}",
                depends=f"kmod, linux-base, linux-modules-{release}",
                scripts=scripts["image"],
                files=image,
            ),
            Package(
                "linux-image-virtual",
                meta_version,
                "the newest kernel image for a cloud (meta package)",
                depends=image_name,
                section="metapackages",
            ),
        )
        only_archive = (
            Package(
                extra_name,
                version,
                f"Linux kernel extra modules, among them graphics, version {release}",
                depends=f"{image_name} | linux-image-unsigned-{release}",
                scripts=scripts["extra"],
                files=extra,
            ),
            Package(
                "linux-image-generic",
                meta_version,
                "the newest kernel image with all its modules (meta package)",
                depends=f"{image_name}, {extra_name}",
                section="metapackages",
            ),
            Package(
                "linux-image-extra-virtual",
                meta_version,
                "the newest kernel's extra modules for a cloud (meta package)",
                depends=f"linux-image-generic (= {meta_version})",
                section="metapackages",
            ),
        )
        step.note(f"{len(modules.cloud)} modules, {len(modules.extra)} extra ones")
        return KernelPackages(
            release,
            version,
            tuple(build(package, pool, scratch) for package in installed),
            tuple(build(package, pool, scratch) for package in only_archive),
        )
