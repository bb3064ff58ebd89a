"""The .deb files of a test image's kernel."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core import debian_root, progress
from core.config.model import AptArchive
from core.run import run
from guestprep.archive.client import ArchiveClient
from testbed.guest_image.kernel import Kernel, split
from testbed.guest_image.layouts import SUITE, ImageLayout, KernelPackages

#: Run when the kernel or its modules change: the hooks make the initramfs and grub.cfg.
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
class PackageSpec:
    """A package to build."""

    name: str
    version: str
    description: str
    depends: str = ""
    section: str = "kernel"
    scripts: Mapping[str, str] = field(default_factory=dict)
    files: Path | None = None
    """The folder with its files; None: it has no files (a meta package)."""

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


def build(package: PackageSpec, pool: Path, scratch: Path) -> Path:
    """Build the .deb in *pool* and return its path.

    :param scratch: an existing temporary folder.
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
    # The fastest compression: nobody downloads these packages.
    run(["dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", tree, target])
    return target


@dataclass(frozen=True)
class ImagePackages:
    """The packages to install in an image."""

    release: str
    """The release of their kernel."""
    installed: tuple[Path, ...]


def build_kernel(kernel: Kernel, layout: ImageLayout, pool: Path, scratch: Path) -> ImagePackages:
    """Build a kernel's packages in *pool*, divided as in the layout's release."""
    with progress.current().step(f"split kernel {kernel.release} into packages") as step:
        modules = split(kernel.dependencies())
        extras = layout.kernel is KernelPackages.EXTRAS
        packaging = _KernelPackaging(kernel, scratch, zstd=layout.zstd_modules)
        cloud = modules.cloud if extras else modules.cloud | modules.extra
        installed = [
            _modules(packaging, cloud),
            _image(packaging),
            _meta(packaging, "linux-image-virtual", ""),
        ]
        only_archive = []
        if extras:
            extra_name = f"linux-modules-extra-{kernel.release}"
            only_archive = [
                _extra(packaging, modules.extra, extra_name),
                _meta(packaging, "linux-image-generic", extra_name),
                _meta(packaging, "linux-image-extra-virtual", extra_name),
            ]
        step.note(f"{len(cloud)} modules" + f", {len(modules.extra)} extra ones" * extras)
        for package in only_archive:
            build(package, pool, scratch)
        return ImagePackages(
            kernel.release, tuple(build(package, pool, scratch) for package in installed)
        )


class _KernelPackaging:
    """The values that the packages of one kernel have in common."""

    def __init__(self, kernel: Kernel, scratch: Path, *, zstd: bool):
        self.kernel = kernel
        self.release = kernel.release
        self.scratch = scratch
        self.zstd = zstd
        number = kernel.release.partition("-")[0].partition("+")[0]
        self.version = f"{number}-1~kollarm1"
        self.meta_version = f"{number}.1"
        self.hooks = _HOOKS.format(release=kernel.release).replace("\n", "\n    ").strip()

    def script(self, text: str) -> dict[str, str]:
        return {"postinst": text.format(release=self.release, hooks=self.hooks)}


def _image(packaging: _KernelPackaging) -> PackageSpec:
    release = packaging.release
    tree = packaging.scratch / "image"
    (tree / "boot").mkdir(parents=True)
    shutil.copy(packaging.kernel.tree / f"boot/vmlinuz-{release}", tree / "boot")
    return PackageSpec(
        f"linux-image-{release}",
        packaging.version,
        f"Linux kernel image, version {release}",
        depends=f"kmod, linux-base, linux-modules-{release}",
        scripts=packaging.script(_IMAGE_POSTINST),
        files=tree,
    )


def _modules(packaging: _KernelPackaging, names: Iterable[str]) -> PackageSpec:
    release, kernel = packaging.release, packaging.kernel
    tree = packaging.scratch / "cloud"
    (tree / "boot").mkdir(parents=True)
    for name in (f"config-{release}", f"System.map-{release}"):
        shutil.copy(kernel.tree / "boot" / name, tree / "boot")
    kernel.copy_modules(names, tree, zstd=packaging.zstd)
    for path in kernel.modules.glob("modules.builtin*"):
        if not path.name.endswith(".bin"):
            shutil.copy(path, tree / "lib/modules" / release)
    shutil.copy(kernel.modules / "modules.order", tree / "lib/modules" / release)
    return PackageSpec(
        f"linux-modules-{release}",
        packaging.version,
        f"Linux kernel modules for a cloud, version {release}",
        scripts=packaging.script(_MODULES_POSTINST),
        files=tree,
    )


def _extra(packaging: _KernelPackaging, names: Iterable[str], name: str) -> PackageSpec:
    release = packaging.release
    tree = packaging.scratch / "extra"
    packaging.kernel.copy_modules(names, tree, zstd=packaging.zstd)
    return PackageSpec(
        name,
        packaging.version,
        f"Linux kernel extra modules, among them graphics, version {release}",
        depends=f"linux-image-{release} | linux-image-unsigned-{release}",
        scripts=packaging.script(_EXTRA_POSTINST),
        files=tree,
    )


def _meta(packaging: _KernelPackaging, name: str, extra: str) -> PackageSpec:
    """A package that depends on the newest kernel, with or without the extra modules."""
    depends = f"linux-image-{packaging.release}" + (f", {extra}" if extra else "")
    if name == "linux-image-extra-virtual":
        depends = f"linux-image-generic (= {packaging.meta_version})"
    return PackageSpec(
        name,
        packaging.meta_version,
        f"the newest kernel image (meta package {name.removeprefix('linux-image-')})",
        depends=depends,
        section="metapackages",
    )


def debian_kernels(mirror: str, pool: Path) -> ImagePackages:
    """Download Debian's cloud kernel, to install, and its generic kernel to *pool*.

    :raises KollarmError: the archive can't be reached, or doesn't have one of them.
    """
    kernels = {}
    for meta in ("linux-image-cloud-arm64", "linux-image-arm64"):
        kernel = newest_kernel(meta, mirror)
        paths = []
        for name, package in kernel.packages.items():
            paths.append(pool / f"{name}_{kernel.version}_arm64.deb")
            shutil.copyfile(package, paths[-1])
        kernels[meta] = ImagePackages(kernel.release, tuple(paths))
    return kernels["linux-image-cloud-arm64"]


@dataclass(frozen=True)
class DebianKernel:
    """One of Debian's own kernels."""

    release: str
    """The output of ``uname -r``."""
    version: str
    """Of its packages."""
    packages: dict[str, Path]
    """The .deb files by their packages' names, that of the kernel itself last."""


def newest_kernel(meta: str, mirror: str = debian_root.DEFAULT_MIRROR) -> DebianKernel:
    """The kernel that a meta package depends on.

    :raises KollarmError: the archive can't be reached.
    """
    client = _client(mirror, SUITE)
    first = client.candidates(meta)[0]
    image = client.candidates(first.relations["Depends"][0][0].name)[0]
    packages = {package.name: client.fetch(package) for package in (first, image)}
    return DebianKernel(image.name.removeprefix("linux-image-"), image.version, packages)


#: The first Debian suite whose GRUB has the command blscfg (GRUB 2.14).
ENTRIES_SUITE = "forky"


def fetched(mirror: str, names: Iterable[str], suite: str = SUITE) -> list[Path]:
    """Debian's packages of these names.

    :raises KollarmError: the archive can't be reached.
    """
    client = _client(mirror, suite)
    return [client.fetch(client.candidates(name)[0]) for name in names]


def _client(mirror: str, suite: str) -> ArchiveClient:
    source = AptArchive(
        uri=mirror,
        suite=suite,
        keyring=Path(debian_root.KEYRING),
        # An older state of it, as of a mirror that has not kept up, has that GRUB, too.
        check_valid_until=suite != ENTRIES_SUITE,
    )
    return ArchiveClient([source], "arm64")
