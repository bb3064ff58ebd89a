"""Plans from facts: pure, without an appliance."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from core.errors import UnusableInput
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
from guestprep.parse.dpkg import DpkgStatus, parse_status
from guestprep.parse.grub import BootEntry
from guestprep.parse.relation import parse_relations
from guestprep.plan import (
    CleanStep,
    FileStep,
    GrubStep,
    InitramfsStep,
    InstallStep,
    PreparationPlan,
    ReplaceStep,
    guest_files,
    make_plan,
)
from guestprep.source import DiskFacts
from guestprep.spec import PreparationPart, PreparationSpec

VERSION = "4.15.0-99-generic"
STATUS = parse_status(
    f"Package: linux-image-{VERSION}\nStatus: install ok installed\nArchitecture: arm64\n"
    "Version: 4.15.0-99.100\n"
)


class Shelf:
    """Packages on offer."""

    def __init__(self, *packages: ArchivePackage):
        self.packages = packages

    def candidates(self, name: str) -> tuple[ArchivePackage, ...]:
        return tuple(package for package in self.packages if package.name == name)

    def providers(self, name: str) -> tuple[ArchivePackage, ...]:
        return ()


def package(name: str, version: str, depends: str = "") -> ArchivePackage:
    return ArchivePackage(
        name,
        version,
        "arm64",
        "",
        {"Depends": parse_relations(depends, "arm64")},
        (),
        f"pool/{name}.deb",
        "0" * 64,
        1,
        1,
        "file:///x",
    )


EXTRA = package(f"linux-modules-extra-{VERSION}", "4.15.0-99.100")
META = package("linux-image-extra-virtual", "4.15.0.99.101", f"linux-modules-extra-{VERSION}")


def kernel(**changes: object) -> KernelFacts:
    ramfs = InitramfsFacts(
        f"/boot/initrd.img-{VERSION}",
        1,
        InitramfsKind.INITRAMFS_TOOLS,
        ("gzip",),
        ("virtio",),
        (),
        ("virtio",),
        ("aarch64",),
        None,
    )
    return replace(
        KernelFacts(
            VERSION,
            f"/boot/vmlinuz-{VERSION}",
            f"linux-image-{VERSION}",
            "4.15.0-99.100",
            DriverLocation.MISSING,
            "",
            (),
            True,
            ramfs,
        ),
        **changes,  # type: ignore[arg-type]
    )


def facts(**changes: object) -> GuestFacts:
    entry = BootEntry(
        "Ubuntu",
        f"/boot/vmlinuz-{VERSION}",
        ("ro", "console=tty1", "nomodeset"),
        ("/boot/initrd",),
        1,
    )
    base = GuestFacts(
        disk=DiskFacts("x.qcow2", "qcow2", 1, 1, "zlib"),
        partition_table="gpt",
        architecture="aarch64",
        distribution="ubuntu",
        release="18.04",
        codename="bionic",
        pretty_name="Ubuntu 18.04",
        partitions=(Partition("/dev/sda1", Role.ROOT, "ext4", "", "", "", "", "/", 1 << 30),),
        uefi="/boot/efi/EFI/BOOT/BOOTAA64.EFI",
        kernels=(kernel(),),
        grub=GrubFacts("/boot/grub/grub.cfg", (entry,), ("50-cloudimg-settings.cfg",), "", False),
        modules_load=(),
        initramfs_hook=False,
        tools=InitramfsKind.INITRAMFS_TOOLS,
        cloud_init=True,
        usr_merged=False,
        installed=(),
        unready=(),
        leftovers=Leftovers(False, (), (), ()),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def plan(
    found: GuestFacts, *packages: ArchivePackage, status: DpkgStatus = STATUS
) -> PreparationPlan:
    return make_plan(found, status, PreparationSpec(), Shelf(*packages))


def test_a_bionic_cloud_image_gets_modules_initramfs_and_console() -> None:
    made = plan(facts(), EXTRA, META)
    (install,) = made.of(InstallStep)
    assert [entry.name for entry in install.packages] == [EXTRA.name, META.name]
    assert install.manual == (META.name,)
    assert [step.path for step in made.of(FileStep)] == [
        "/etc/modules-load.d/kollarm.conf",
        "/etc/initramfs-tools/hooks/kollarm",
        "/etc/default/grub.d/99-kollarm.cfg",
    ]
    assert len(made.of(InitramfsStep)) == 1
    (menu,) = made.of(GrubStep)
    assert menu.changes[0].after == ("ro", "console=ttyAMA0,115200", "console=tty1")
    assert "nomodeset" in menu.reason
    assert made == plan(facts(), EXTRA, META)
    json.dumps(made.to_dict())
    assert any("because" in line for line in made.lines())


def test_a_module_that_is_there_is_not_installed() -> None:
    there = kernel(
        gpu=DriverLocation.MODULE,
        gpu_path="kernel/virtio-gpu.ko",
        needs=("kernel/drm.ko", "kernel/virtio-gpu.ko"),
    )
    made = plan(facts(kernels=(there,)))
    assert not made.of(InstallStep)
    assert any("nothing to install" in entry.reason for entry in made.settled)
    assert made.of(InitramfsStep)[0].reason == "it lacks drm, virtio_gpu"


def prepared(**changes: object) -> GuestFacts:
    """A prepared image's facts."""
    ramfs = InitramfsFacts(
        "/boot/i",
        1,
        InitramfsKind.INITRAMFS_TOOLS,
        ("gzip",),
        ("drm", "virtio_gpu"),
        ("virtio_gpu",),
        ("drm", "virtio_gpu"),
        ("aarch64",),
        None,
    )
    ready = kernel(gpu=DriverLocation.MODULE, needs=("drm.ko", "virtio-gpu.ko"), initramfs=ramfs)
    entry = BootEntry("U", "/vmlinuz", ("ro", "console=ttyAMA0,115200", "console=tty1"), (), 1)
    menu = GrubFacts(
        "/boot/grub/grub.cfg",
        (entry,),
        ("50-cloudimg-settings.cfg", "99-kollarm.cfg"),
        guest_files.drop_in(["ttyAMA0,115200", "tty1"]),
        False,
    )
    made = facts(kernels=(ready,), modules_load=("virtio_gpu",), initramfs_hook=True, grub=menu)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_prepared_image_needs_nothing() -> None:
    made = plan(prepared())
    assert made.empty
    assert "nothing to do: the image is prepared already" in made.lines()


def test_a_builtin_driver_needs_no_module_anywhere() -> None:
    made = plan(facts(kernels=(kernel(gpu=DriverLocation.BUILTIN),)))
    assert not made.of(InitramfsStep) and not made.of(InstallStep)
    assert [step.path for step in made.of(FileStep)] == ["/etc/default/grub.d/99-kollarm.cfg"]


def test_the_meta_package_of_another_kernel_is_left_out() -> None:
    other = package(
        "linux-image-extra-virtual", "4.15.0.100", "linux-modules-extra-4.15.0-100-generic"
    )
    newer = package("linux-modules-extra-4.15.0-100-generic", "4.15.0-100.1")
    (install,) = plan(facts(), EXTRA, other, newer).of(InstallStep)
    assert [entry.name for entry in install.packages] == [EXTRA.name]
    assert install.manual == (EXTRA.name,)


def test_the_kernels_own_build_is_preferred() -> None:
    newer = replace(EXTRA, version="4.15.0-99.101")
    (install,) = plan(facts(), newer, EXTRA).of(InstallStep)
    assert install.packages[0].version == "4.15.0-99.100"


def test_leftovers_are_cleaned_unless_switched_off() -> None:
    left = Leftovers(True, ("/etc/ssh/ssh_host_rsa_key",), ("/var/lib/cloud/instance",), ("/l",))
    found = facts(leftovers=left)
    assert len(plan(found, EXTRA).of(CleanStep)) == 4
    kept = PreparationSpec(
        clean_machine_id=False, clean_host_keys=False, clean_cloud_init=False, clean_apt_lists=False
    )
    assert not make_plan(found, STATUS, kept, Shelf(EXTRA)).of(CleanStep)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "x86_64"}, "x86_64 system, not an arm64 one"),
        ({"architecture": ""}, "no known system"),
        ({"uefi": ""}, "no UEFI boot path"),
        ({"distribution": "gentoo", "pretty_name": "Gentoo"}, "distribution is unknown: Gentoo"),
        ({"kernels": ()}, "no kernel with its modules"),
        ({"grub": None}, "no GRUB menu"),
    ],
)
def test_what_cannot_be_prepared_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UnusableInput, match=message):
        plan(facts(**changes), EXTRA)


def test_an_initramfs_of_another_architecture_is_refused() -> None:
    ramfs = kernel().initramfs
    assert ramfs is not None
    mixed = kernel(initramfs=replace(ramfs, programs=("aarch64", "x86_64")))
    with pytest.raises(UnusableInput, match="has programs for x86_64"):
        plan(facts(kernels=(mixed,)), EXTRA)


def test_an_unknown_distribution_gets_what_needs_no_packages() -> None:
    there = kernel(gpu=DriverLocation.MODULE, needs=("kernel/virtio-gpu.ko",))
    found = facts(distribution="gentoo", kernels=(there,))
    only = PreparationSpec(
        parts=(PreparationPart.GRUB, PreparationPart.INITRAMFS, PreparationPart.LOADING)
    )
    made = make_plan(found, STATUS, only, Shelf())
    assert made.of(GrubStep)
    assert made.of(InitramfsStep)
    assert not made.of(InstallStep)
    with pytest.raises(UnusableInput, match="distribution is unknown"):
        plan(found)


def test_all_reasons_are_given_at_once() -> None:
    with pytest.raises(UnusableInput) as caught:
        plan(facts(architecture="x86_64", distribution="gentoo", grub=None), EXTRA)
    assert "x86_64" in caught.value.message
    assert "distribution" in (caught.value.details or "")
    assert "GRUB" in (caught.value.details or "")


def test_modules_that_nobody_has_are_refused() -> None:
    with pytest.raises(UnusableInput, match="no archive has linux-modules-extra"):
        plan(facts())
    with pytest.raises(UnusableInput, match="CONFIG_DRM is off"):
        plan(facts(kernels=(kernel(drm=False),)))


def test_a_newer_kernel_comes_when_this_ones_modules_are_gone() -> None:
    newer = "4.15.0-100-generic"
    shelf = (
        package("linux-image-generic", "4.15.0.100", f"linux-image-{newer}"),
        package(f"linux-image-{newer}", "4.15.0-100.101", f"linux-modules-{newer}"),
        package(f"linux-modules-{newer}", "4.15.0-100.101"),
    )
    made = plan(facts(), *shelf)
    (step,) = made.of(ReplaceStep)
    assert (step.old, step.kernel, step.remove) == (VERSION, newer, ())
    assert [entry.name for entry in step.packages] == [
        f"linux-modules-{newer}",
        f"linux-image-{newer}",
        "linux-image-generic",
    ]
    assert "no archive has the extra modules of kernel" in step.reason
    (ramfs,) = made.of(InitramfsStep)
    assert (ramfs.kernel, ramfs.based_on) == (newer, f"/boot/initrd.img-{VERSION}")
    (menu,) = made.of(GrubStep)
    assert menu.kernels == {VERSION: newer}
