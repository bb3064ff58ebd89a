"""Making test images, which are cached by their inputs."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import uuid
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

from core import cache, debian_root, progress
from core.cache import file_digest
from core.config.model import Architecture
from core.errors import KollarmError
from core.run import run
from guestprep.parse.elf import elf_architecture
from guestprep.parse.initramfs import InitramfsReader
from testbed.guest_image import archive, disk, root
from testbed.guest_image.kernel import Kernel
from testbed.guest_image.layouts import (
    SUITE,
    ImageLayout,
    KernelPackages,
    MenuForm,
)
from testbed.guest_image.packages import (
    ENTRIES_SUITE,
    ImagePackages,
    build_kernel,
    debian_kernels,
    fetched,
)

#: The time limit for installing the root file system, in seconds.
TIME_LIMIT = 1800.0

_RECORD = "image.json"


@dataclass(frozen=True)
class GuestImage:
    """A test image with its apt archive."""

    layout: str
    image: Path
    """The qcow2 file."""
    sha256: str
    """The digest of that file, which is also in SHA256SUMS beside it."""
    archive: Path
    """The folder of a signed apt archive with the kernel's packages."""
    keyring: Path
    """The public key of that archive."""
    suite: str
    """The suite of the archive that has the packages; ``-updates`` and ``-security`` are empty."""
    uname: str
    """The release of its kernel."""

    def to_dict(self) -> dict[str, object]:
        """The record, with the present paths."""
        return {key: str(value) for key, value in asdict(self).items()}

    @staticmethod
    def read(folder: Path) -> GuestImage:
        """Read the image that :func:`make` wrote to a folder."""
        record = json.loads((folder / _RECORD).read_text())
        for key in ("image", "archive", "keyring"):
            record[key] = folder / record[key]
        return GuestImage(**record)


def make(layout: ImageLayout, *, mirror: str = debian_root.DEFAULT_MIRROR) -> GuestImage:
    """The test image of a layout, from the cache or made of Debian's current packages.

    :param mirror: the Debian mirror, which is also in the image's apt sources.
    :raises KollarmError: the archive can't be reached, or a tool is missing.
    """
    source = debian_root.RootArchive(SUITE, mirror)
    base = debian_root.root_tarball(source, Architecture.AARCH64, root.packages(layout))
    kernel = debian_root.extracted_tarball(source, Architecture.AARCH64, ["linux-image-arm64"])
    key = cache.digest(
        {
            "layout": asdict(layout),
            "base": base.parent.name,
            "kernel": kernel.parent.name,
            "recipe": _recipe(),
        }
    )

    def fill(folder: Path) -> None:
        with progress.current().step(f"make the test image {layout.name}"):
            _make(folder, layout, base, kernel, mirror)

    return GuestImage.read(cache.entry("guest-image", f"{layout.name}-{key}", fill))


def _recipe() -> str:
    """A digest of this package's own files: when they change, images are made again."""
    digest = hashlib.sha256()
    package = files("testbed.guest_image")
    for part in (package, package / "data"):
        for item in sorted(part.iterdir(), key=lambda item: item.name):
            if item.is_file():
                digest.update(item.read_bytes())
    return digest.hexdigest()


def _make(folder: Path, layout: ImageLayout, base: Path, kernel: Path, mirror: str) -> None:
    with tempfile.TemporaryDirectory(prefix="kollarm-image-") as name:
        scratch = Path(name)
        pool = folder / "archive/pool/main"
        pool.mkdir(parents=True)
        if layout.kernel is KernelPackages.CLOUD:
            packages = debian_kernels(mirror, pool)
        else:
            unpacked = Kernel.unpacked(kernel, scratch / "kernel")
            packages = build_kernel(unpacked, layout, pool, scratch)
        with progress.current().step("local apt archive"):
            archive.publish(folder / "archive", folder / "keyring.gpg", layout.codename)
        raw = scratch / "disk.raw"
        _compose(raw, scratch, layout, base, packages, mirror)
        image = folder / f"{layout.name}-server-cloudimg-arm64.img"
        with progress.current().step("compress the image"):
            run(
                ["qemu-img", "convert", "-c", "-W", "-m", "4", "-f", "raw", "-O", "qcow2",
                 raw, image]
            )  # fmt: skip
    sha256 = file_digest(image)
    (folder / "SHA256SUMS").write_text(f"{sha256} *{image.name}\n")
    record = {
        "layout": layout.name,
        "image": image.name,
        "sha256": sha256,
        "archive": "archive",
        "keyring": "keyring.gpg",
        "suite": layout.codename,
        "uname": packages.release,
    }
    (folder / _RECORD).write_text(json.dumps(record, indent=2) + "\n")


def _compose(
    raw: Path, scratch: Path, layout: ImageLayout, base: Path, packages: ImagePackages, mirror: str
) -> None:
    """Write the whole disk to *raw*."""
    table = disk.cloud_table(
        layout.virtual_size, separate_boot=layout.separate_boot, esp_mib=layout.esp_size
    )
    disk.partition(raw, table)
    overlay = scratch / "overlay.tar"
    root.write_overlay(overlay, root.files(layout, table), root.links())
    debs = scratch / "install"
    debs.mkdir()
    for package in packages.installed:
        (debs / package.name).write_bytes(package.read_bytes())
    added = root.ADDED[layout.initramfs]
    for number, package in enumerate(fetched(mirror, added)):
        (debs / f"added-{number}.deb").write_bytes(package.read_bytes())
    scripts = scratch / "scripts"
    scripts.mkdir()
    for script in (files("testbed.guest_image") / "data").iterdir():
        (scripts / script.name).write_bytes(script.read_bytes())
    staging = scratch / "stage"
    staging.mkdir()
    source = debian_root.RootArchive(SUITE, mirror)
    staged = debian_root.stage(staging, source, Architecture.AARCH64)
    work = scratch / "work"
    work.mkdir()
    # In a user namespace the scripts run as another user.
    scratch.chmod(0o755)
    work.chmod(0o777)
    raw.chmod(0o666)
    loader = scratch / "loader"
    if layout.menu is MenuForm.GRUB_ENTRIES:
        (package,) = fetched(mirror, ["grub-efi-arm64-bin"], ENTRIES_SUITE)
        run(["dpkg-deb", "--extract", package, loader])
    with progress.current().step("file systems") as step:

        def follow(line: str) -> None:
            if line.startswith("kollarm: "):
                step.note(line.removeprefix("kollarm: "))

        as_root = [] if os.geteuid() == 0 else ["mmdebstrap", "--unshare-helper"]
        run(
            [*as_root, "sh", scripts / "fill-root.sh", *staged.around("ROOT")],
            env=_file_systems(layout, table)
            | {
                "BASE": str(base),
                "OVERLAY": str(overlay),
                "PACKAGES": str(debs),
                "DISK": str(raw),
                "SCRATCH": str(work),
                "HERE": str(scripts),
                "MENU": layout.menu,
                "LOADER": str(loader),
                "REPLACED": "initramfs-tools" if "dracut" in added else "",
                "VENDOR": layout.os_release["ID"],
                "WITHOUT_INITRAMFS": "yes" if layout.without_initramfs else "",
            },
            timeout=TIME_LIMIT,
            on_line=follow,
        )
    check_initramfs(work / "initrd.img")
    esp = work / "esp"
    contents = {
        str(path.relative_to(esp)): path.read_bytes()
        for path in sorted(esp.rglob("*"))
        if path.is_file()
    }
    disk.fill_esp(raw, table.esp, root.ESP_LABEL if layout.labels else "", contents)


def _file_systems(layout: ImageLayout, table: disk.PartitionTable) -> dict[str, str]:
    """Where an image's file systems go, and their names, as variables of fill-root.sh."""
    boot = table.boot
    return {
        "OFFSET": str(table.root.start),
        "KIB": str(table.root.length // 1024),
        "UUID": str(uuid.uuid4()),
        "LABEL": root.ROOT_LABEL if layout.labels else "",
        "BOOT_OFFSET": str(boot.start) if boot else "",
        "BOOT_KIB": str(boot.length // 1024) if boot else "",
        "BOOT_UUID": str(uuid.uuid4()) if boot else "",
        "BOOT_LABEL": root.BOOT_LABEL,
        "ROOT_NAME": root.name_of(layout, table.root, root.ROOT_LABEL),
    }


def check_initramfs(path: Path) -> None:
    """See that all programs and modules in an initramfs are for arm64.

    Its maker ran with native programs in the place of some of the root's; none
    of those may have got into it.

    :raises KollarmError: one has, or the file can't be understood.
    """
    reader = InitramfsReader(path)
    foreign: dict[str, str] = {}
    count = 0
    for member in reader.members(lambda name: True):
        architecture = elf_architecture(member.data or b"")
        count += architecture == "aarch64"
        if architecture not in ("", "aarch64"):
            foreign[member.name] = architecture
    if reader.fault or foreign or not count:
        raise KollarmError(
            "the test image's initramfs is not for arm64: "
            + (reader.fault or f"{foreign or 'it has no programs'}"),
            hint="this is a bug in core/data/with-native-tools.sh",
        )
