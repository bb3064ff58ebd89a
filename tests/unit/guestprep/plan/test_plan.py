"""Plans from facts: pure, without an appliance."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from core.errors import UnusableInput
from guestprep.archive.package import ArchivePackage
from guestprep.facts import DriverLocation, GuestFacts, Leftovers
from guestprep.plan.make import make_plan
from guestprep.plan.model import (
    CleanStep,
    FileStep,
    GrubStep,
    InitramfsStep,
    InstallStep,
    PreparationPlan,
    ReplaceStep,
)
from guestprep.spec import PreparationPart, PreparationSpec
from tests.support.guest_facts import (
    EXTRA,
    META,
    PREPARED,
    STATUS,
    UBUNTU_18_04,
    VERSION,
    StubArchive,
    a_kernel,
    a_package,
)

WITH_DRIVER = a_kernel(gpu=DriverLocation.MODULE, needs=("kernel/drm.ko", "kernel/virtio-gpu.ko"))


def plan(facts: GuestFacts, *packages: ArchivePackage) -> PreparationPlan:
    """The plan for an image with the default spec.

    :param packages: what the archive has.
    """
    return make_plan(facts, STATUS, PreparationSpec(), StubArchive(*packages))


# -- an image that needs everything ---------------------------------------------


@pytest.fixture(scope="module")
def whole() -> PreparationPlan:
    return plan(UBUNTU_18_04, EXTRA, META)


def test_the_missing_modules_are_installed(whole: PreparationPlan) -> None:
    (install,) = whole.steps_of(InstallStep)
    assert [package.name for package in install.packages] == [EXTRA.name, META.name]
    assert install.manual == (META.name,)


def test_the_guest_keeps_the_changes_through_its_own_updates(whole: PreparationPlan) -> None:
    assert [step.path for step in whole.steps_of(FileStep)] == [
        "/etc/modules-load.d/kollarm.conf",
        "/etc/initramfs-tools/hooks/kollarm",
        "/etc/default/grub.d/99-kollarm.cfg",
    ]


def test_the_initramfs_gets_the_driver(whole: PreparationPlan) -> None:
    (step,) = whole.steps_of(InitramfsStep)
    assert (step.path, step.based_on) == (f"/boot/initrd.img-{VERSION}", "")


def test_the_menu_gets_consoles_and_loses_what_blanks_screens(
    whole: PreparationPlan,
) -> None:
    (menu,) = whole.steps_of(GrubStep)
    assert menu.changes[0].after == ("ro", "console=ttyAMA0,115200", "console=tty1")
    assert "nomodeset" in menu.reason


def test_the_same_facts_give_the_same_plan(whole: PreparationPlan) -> None:
    assert whole == plan(UBUNTU_18_04, EXTRA, META)


def test_a_plan_is_a_document_and_a_text_with_reasons(whole: PreparationPlan) -> None:
    document = json.loads(json.dumps(whole.to_dict()))
    assert document["steps"][0]["kind"] == "install"
    assert whole.to_text().count("   because ") == len(whole.steps)


# -- an image that needs less ---------------------------------------------------


def test_a_module_that_the_image_has_is_not_installed() -> None:
    result = plan(replace(UBUNTU_18_04, kernels=(WITH_DRIVER,)))
    assert not result.steps_of(InstallStep)
    (step,) = result.steps_of(InitramfsStep)
    assert "drm, virtio_gpu" in step.reason


def test_a_prepared_image_needs_nothing() -> None:
    result = plan(PREPARED)
    assert result.empty
    assert "nothing to do" in result.to_text()


def test_a_builtin_driver_needs_no_module_anywhere() -> None:
    result = plan(replace(UBUNTU_18_04, kernels=(a_kernel(gpu=DriverLocation.BUILTIN),)))
    assert not result.steps_of(InitramfsStep) and not result.steps_of(InstallStep)
    assert [step.path for step in result.steps_of(FileStep)] == [
        "/etc/default/grub.d/99-kollarm.cfg"
    ]


def test_an_unsupported_distribution_gets_all_but_packages() -> None:
    spec = PreparationSpec(
        parts=(PreparationPart.GRUB, PreparationPart.INITRAMFS, PreparationPart.LOADING)
    )
    facts = replace(UBUNTU_18_04, distribution="gentoo", kernels=(WITH_DRIVER,))
    result = make_plan(facts, STATUS, spec, StubArchive())
    assert result.steps_of(GrubStep)
    assert result.steps_of(InitramfsStep)
    assert not result.steps_of(InstallStep)


# -- packages -------------------------------------------------------------------


def test_the_meta_package_of_another_kernel_is_left_out() -> None:
    newer = a_package("linux-modules-extra-4.15.0-100-generic", "4.15.0-100.1")
    meta = a_package(META.name, "4.15.0.100", depends=newer.name)
    (install,) = plan(UBUNTU_18_04, EXTRA, meta, newer).steps_of(InstallStep)
    assert [package.name for package in install.packages] == [EXTRA.name]
    assert install.manual == (EXTRA.name,)


def test_ubuntu_16_04_names_their_package_otherwise() -> None:
    extra = a_package(f"linux-image-extra-{VERSION}", EXTRA.version)
    (install,) = plan(UBUNTU_18_04, extra).steps_of(InstallStep)
    assert [package.name for package in install.packages] == [extra.name]


def test_the_kernels_own_build_is_preferred() -> None:
    newer = replace(EXTRA, version="4.15.0-99.101")
    (install,) = plan(UBUNTU_18_04, newer, EXTRA).steps_of(InstallStep)
    assert install.packages[0].version == "4.15.0-99.100"


@pytest.mark.parametrize(
    ("facts", "key_word"),
    [
        (UBUNTU_18_04, "linux-modules-extra"),
        (replace(UBUNTU_18_04, kernels=(a_kernel(drm=False),)), "CONFIG_DRM"),
    ],
)
def test_modules_that_no_archive_has_are_refused(facts: GuestFacts, key_word: str) -> None:
    with pytest.raises(UnusableInput, match=key_word) as caught:
        plan(facts)
    assert caught.value.hint is not None


# -- another kernel -------------------------------------------------------------

NEWER = "4.15.0-100-generic"


@pytest.fixture(scope="module")
def replaced() -> PreparationPlan:
    """The archive has the modules of a newer kernel only."""
    return plan(
        UBUNTU_18_04,
        a_package("linux-image-generic", "4.15.0.100", depends=f"linux-image-{NEWER}"),
        a_package(f"linux-image-{NEWER}", "4.15.0-100.101", depends=f"linux-modules-{NEWER}"),
        a_package(f"linux-modules-{NEWER}", "4.15.0-100.101"),
    )


def test_a_newer_kernel_is_installed_with_its_modules(replaced: PreparationPlan) -> None:
    (step,) = replaced.steps_of(ReplaceStep)
    assert (step.old, step.kernel, step.remove) == (VERSION, NEWER, ())
    assert [package.name for package in step.packages] == [
        f"linux-modules-{NEWER}",
        f"linux-image-{NEWER}",
        "linux-image-generic",
    ]


def test_a_newer_kernels_initramfs_is_based_on_the_old_one(replaced: PreparationPlan) -> None:
    (step,) = replaced.steps_of(InitramfsStep)
    assert (step.kernel, step.based_on) == (NEWER, f"/boot/initrd.img-{VERSION}")


def test_the_menu_boots_the_newer_kernel(replaced: PreparationPlan) -> None:
    (menu,) = replaced.steps_of(GrubStep)
    assert menu.kernels == {VERSION: NEWER}


# -- clean-up -------------------------------------------------------------------

USED = replace(
    UBUNTU_18_04,
    leftovers=Leftovers(
        machine_id=True,
        host_keys=("/etc/ssh/ssh_host_rsa_key",),
        cloud_init=("/var/lib/cloud/instance",),
        apt_lists=("/var/lib/apt/lists/x",),
        machine_id_copies=("/var/lib/dbus/machine-id",),
        secrets=("/var/lib/systemd/random-seed",),
    ),
)


def test_leftovers_are_removed() -> None:
    steps = plan(USED, EXTRA).steps_of(CleanStep)
    assert len(steps) == 5
    assert steps[0].empty == ("/etc/machine-id",)
    assert steps[0].remove == ("/var/lib/dbus/machine-id",)


def test_leftovers_stay_where_the_configuration_keeps_them() -> None:
    spec = PreparationSpec(
        clean_machine_id=False, clean_host_keys=False, clean_cloud_init=False, clean_apt_lists=False
    )
    assert not make_plan(USED, STATUS, spec, StubArchive(EXTRA)).steps_of(CleanStep)


# -- what the disk and cloud-init need ------------------------------------------


def test_an_initramfs_without_the_disks_driver_gets_it() -> None:
    """One made for another disk, as dracut does for the machine that it runs on."""
    (kernel,) = PREPARED.kernels
    scsi = replace(kernel, disk_needs=("kernel/drivers/scsi/virtio_scsi.ko",))
    (step,) = plan(replace(PREPARED, kernels=(scsi,))).steps_of(InitramfsStep)
    assert "virtio_scsi" in step.reason
    assert scsi.initramfs is not None
    modules = (*scsi.initramfs.modules, "virtio_scsi")
    whole = replace(scsi, initramfs=replace(scsi.initramfs, modules=modules, indexed=modules))
    assert not plan(replace(PREPARED, kernels=(whole,))).steps_of(InitramfsStep)


@pytest.mark.parametrize(
    ("changes", "key_word"),
    [
        ({"cloud_init": False}, "no cloud-init"),
        ({"cloud_init_off": True}, "cloud-init.disabled"),
        ({"datasources": ("None",)}, "datasource_list"),
        ({"datasources": ("NoCloud", "Azure")}, "NoCloud, Azure"),
        ({"datasources": ()}, "nothing"),
        ({"cloud_seeds": ("/var/lib/cloud/seed/nocloud",)}, "seed/nocloud"),
        ({"fixed_networks": ("/etc/netplan/50-cloud-init.yaml",)}, "netplan"),
    ],
)
def test_guests_that_would_never_ask_the_cloud(changes: dict[str, Any], key_word: str) -> None:
    (warning,) = plan(replace(PREPARED, **changes)).warnings
    assert key_word in warning


@pytest.mark.parametrize("names", [None, ("ConfigDrive",), ("None", "OpenStack"), ("Ec2",)])
def test_guests_that_ask_the_cloud(names: tuple[str, ...] | None) -> None:
    assert not plan(replace(PREPARED, datasources=names)).warnings
