"""Facts of guests for tests: two images to start from, and builders with keywords.

``UBUNTU_18_04`` is like that release's cloud image, which has every fault that kollarm corrects:
virtio_gpu is not among its kernel's modules but in the package linux-modules-extra-VERSION, and
the kernel's command line has nomodeset and no ttyAMA0. ``PREPARED`` is what kollarm makes of it.
Tests change what they are about with :func:`dataclasses.replace`.
"""

from __future__ import annotations

from dataclasses import replace

from guestprep.archive.package import ArchivePackage
from guestprep.facts import (
    DriverLocation,
    GrubFacts,
    GuestFacts,
    InitramfsFacts,
    InitramfsKind,
    KernelFacts,
    Leftovers,
    Partition,
    Role,
)
from guestprep.parse.dpkg import parse_status
from guestprep.parse.grub import BootEntry
from guestprep.parse.relation import parse_relations
from guestprep.plan import guest_files
from guestprep.source import DiskFacts

VERSION = "4.15.0-99-generic"
GIB = 1 << 30
CONSOLES = ("ttyAMA0,115200", "tty1")


def a_package(name: str, version: str = "1", *, depends: str = "") -> ArchivePackage:
    """A package of an archive.

    :param depends: its Depends field.
    """
    return ArchivePackage(
        name=name,
        version=version,
        architecture="arm64",
        relations={"Depends": parse_relations(depends, "arm64")},
        filename=f"pool/{name}.deb",
        sha256="0" * 64,
        size=1,
        archive="file:///x",
    )


class StubArchive:
    """An archive with these packages and no other."""

    def __init__(self, *packages: ArchivePackage):
        self.packages = packages

    def candidates(self, name: str) -> tuple[ArchivePackage, ...]:
        return tuple(package for package in self.packages if package.name == name)

    def providers(self, name: str) -> tuple[ArchivePackage, ...]:
        return ()


#: The package with the modules that the image's kernel package leaves out, and the package that
#: brings the same for later kernels.
EXTRA = a_package(f"linux-modules-extra-{VERSION}", "4.15.0-99.100")
META = a_package("linux-image-extra-virtual", "4.15.0.99.101", depends=EXTRA.name)

#: dpkg's database of the image.
STATUS = parse_status(
    f"Package: linux-image-{VERSION}\nStatus: install ok installed\nArchitecture: arm64\n"
    "Version: 4.15.0-99.100\n"
)


def a_partition(
    role: Role = Role.ROOT,
    *,
    number: int = 1,
    type: str = "ext4",
    mounted: str = "/",
    free: int | None = GIB,
    capacity: int | None = None,
    start: int = 0,
    length: int = 0,
) -> Partition:
    """A partition without label and UUID."""
    return Partition(
        device=f"/dev/sda{number}",
        role=role,
        type=type,
        label="",
        uuid="",
        partuuid="",
        table_type="",
        mounted=mounted,
        free=free,
        capacity=capacity,
        number=number,
        start=start,
        length=length,
    )


def an_initramfs(*modules: str, loads: tuple[str, ...] = ()) -> InitramfsFacts:
    """An initramfs of initramfs-tools that indexes these modules."""
    return InitramfsFacts(
        path=f"/boot/initrd.img-{VERSION}",
        size=1,
        kind=InitramfsKind.INITRAMFS_TOOLS,
        segments=("gzip",),
        modules=modules,
        loads=loads,
        indexed=modules,
        programs=("aarch64",),
        fault=None,
    )


_BARE_INITRAMFS = an_initramfs("virtio")


def a_kernel(
    *,
    gpu: DriverLocation = DriverLocation.MISSING,
    needs: tuple[str, ...] = (),
    drm: bool = True,
    initramfs: InitramfsFacts | None = _BARE_INITRAMFS,
) -> KernelFacts:
    """The image's kernel.

    :param gpu: where it has virtio_gpu.
    :param needs: paths of the modules that virtio_gpu needs, itself included.
    """
    return KernelFacts(
        version=VERSION,
        image=f"/boot/vmlinuz-{VERSION}",
        package=f"linux-image-{VERSION}",
        package_version="4.15.0-99.100",
        gpu=gpu,
        gpu_path="",
        needs=needs,
        drm=drm,
        initramfs=initramfs,
    )


def a_menu(
    *words: str,
    drop_ins: tuple[str, ...] = ("50-cloudimg-settings.cfg",),
    drop_in_text: str = "",
) -> GrubFacts:
    """GRUB's menu with one entry.

    :param words: of the kernel's command line.
    """
    entry = BootEntry(
        title="Ubuntu", kernel=f"/boot/vmlinuz-{VERSION}", words=words, initrd=("/initrd",), line=1
    )
    return GrubFacts(
        config="/boot/grub/grub.cfg",
        entries=(entry,),
        drop_ins=drop_ins,
        drop_in_text=drop_in_text,
        force_partuuid=False,
    )


UBUNTU_18_04 = GuestFacts(
    disk=DiskFacts("x.qcow2", "qcow2", 1, 1, "zlib"),
    partition_table="gpt",
    architecture="aarch64",
    distribution="ubuntu",
    release="18.04",
    codename="bionic",
    pretty_name="Ubuntu 18.04",
    partitions=(a_partition(),),
    uefi="/boot/efi/EFI/BOOT/BOOTAA64.EFI",
    kernels=(a_kernel(),),
    grub=a_menu("ro", "console=tty1", "nomodeset"),
    modules_load=(),
    initramfs_hook=False,
    tools=InitramfsKind.INITRAMFS_TOOLS,
    cloud_init=True,
    usr_merged=False,
    installed=(),
    unready=(),
    leftovers=Leftovers(machine_id=False, host_keys=(), cloud_init=(), apt_lists=()),
)

PREPARED = replace(
    UBUNTU_18_04,
    kernels=(
        a_kernel(
            gpu=DriverLocation.MODULE,
            needs=("drm.ko", "virtio-gpu.ko"),
            initramfs=an_initramfs("drm", "virtio_gpu", loads=("virtio_gpu",)),
        ),
    ),
    modules_load=("virtio_gpu",),
    initramfs_hook=True,
    grub=a_menu(
        "ro",
        *(f"console={console}" for console in CONSOLES),
        drop_ins=("50-cloudimg-settings.cfg", "99-kollarm.cfg"),
        drop_in_text=guest_files.drop_in(CONSOLES),
    ),
)
