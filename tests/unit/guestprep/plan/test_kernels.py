"""Images with several kernels: one plan for all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.run import run
from guestprep.expectations import Expectations
from guestprep.facts import DriverLocation, GuestFacts, KernelFacts
from guestprep.parse.dpkg import parse_status
from guestprep.parse.grub import BootEntry
from guestprep.parse.modules import kernel_order
from guestprep.plan.make import make_plan
from guestprep.plan.model import (
    GrubStep,
    InitramfsStep,
    InstallStep,
    PreparationPlan,
    ReplaceStep,
)
from guestprep.spec import PreparationSpec
from tests.support.guest_facts import (
    UBUNTU_18_04,
    StubArchive,
    a_kernel,
    a_menu,
    a_package,
    an_initramfs,
)

OLD, NEW, GENERIC = "6.1.0-9-cloud-arm64", "6.1.0-10-cloud-arm64", "6.1.0-11-arm64"
META = "linux-image-cloud-arm64"


def kernel(version: str, gpu: DriverLocation = DriverLocation.MISSING) -> KernelFacts:
    with_driver = gpu is not DriverLocation.MISSING
    made = a_kernel(gpu=gpu, drm=with_driver, needs=("a.ko",) if with_driver else ())
    ramfs = replace(an_initramfs("a", "virtio_gpu"), path=f"/boot/initrd.img-{version}")
    return replace(made, version=version, package=f"linux-image-{version}", initramfs=ramfs)


def image(*kernels: KernelFacts) -> GuestFacts:
    entries = tuple(
        BootEntry("Debian", f"/boot/vmlinuz-{entry.version}", ("ro",), ("/initrd",), line)
        for line, entry in enumerate(kernels)
    )
    menu = replace(a_menu(), entries=entries)
    return replace(UBUNTU_18_04, distribution="debian", kernels=kernels, grub=menu)


def plan(facts: GuestFacts, *packages: str) -> PreparationPlan:
    paragraphs = [
        f"Package: {name}\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1\n"
        for name in packages
    ]
    archive = StubArchive(
        a_package("linux-image-arm64", "2", depends=f"linux-image-{GENERIC}"),
        a_package(f"linux-image-{GENERIC}", "2"),
    )
    return make_plan(facts, parse_status("\n".join(paragraphs)), PreparationSpec(), archive)


@pytest.fixture(scope="module")
def upgraded() -> PreparationPlan:
    """An image that had one upgrade: two kernels without graphics."""
    facts = image(kernel(NEW), kernel(OLD))
    return plan(facts, f"linux-image-{OLD}", f"linux-image-{NEW}", META)


def test_one_kernel_replaces_both(upgraded: PreparationPlan) -> None:
    (step,) = upgraded.steps_of(InstallStep)
    assert isinstance(step, ReplaceStep)
    assert (step.kernel, step.old, step.others) == (GENERIC, NEW, (OLD,))
    assert step.remove == (f"linux-image-{NEW}", f"linux-image-{OLD}", META)


def test_its_initramfs_comes_from_the_newest(upgraded: PreparationPlan) -> None:
    (step,) = upgraded.steps_of(InitramfsStep)
    assert (step.kernel, step.based_on) == (GENERIC, f"/boot/initrd.img-{NEW}")


def test_the_menu_names_neither_of_them(upgraded: PreparationPlan) -> None:
    (step,) = upgraded.steps_of(GrubStep)
    assert step.kernels == {OLD: GENERIC, NEW: GENERIC}


def test_the_result_is_held_to_it(upgraded: PreparationPlan) -> None:
    ((versions, removed),) = Expectations.of(PreparationSpec(), upgraded).replaced
    assert OLD in versions and NEW in versions and META in removed


def test_the_plan_can_be_read_again(upgraded: PreparationPlan) -> None:
    (step,) = PreparationPlan.from_dict(upgraded.to_dict()).steps_of(ReplaceStep)
    assert step.others == (OLD,)
    assert f"{NEW} and {OLD}" in upgraded.to_text()


def test_a_kernel_with_graphics_that_is_there_is_booted() -> None:
    facts = image(kernel(OLD), kernel(GENERIC, DriverLocation.MODULE))
    made = plan(facts, f"linux-image-{OLD}", META, f"linux-image-{GENERIC}", "linux-image-arm64")
    (step,) = made.steps_of(InstallStep)
    assert isinstance(step, ReplaceStep)
    assert (step.kernel, step.old, step.packages) == (GENERIC, OLD, ())
    assert step.remove == (f"linux-image-{OLD}", META)
    assert all(not ramfs.based_on for ramfs in made.steps_of(InitramfsStep))
    assert {ramfs.kernel for ramfs in made.steps_of(InitramfsStep)} <= {GENERIC}
    (menu,) = made.steps_of(GrubStep)
    assert menu.kernels == {OLD: GENERIC}


def test_a_dark_kernel_that_cannot_be_removed_is_told() -> None:
    """Its removal would break a package; the next update-grub may put it first again."""
    facts = image(kernel(OLD), kernel(GENERIC, DriverLocation.MODULE))
    text = (
        f"Package: linux-image-{OLD}\nStatus: install ok installed\nVersion: 1\n\n"
        "Package: my-appliance2\nStatus: install ok installed\nVersion: 1\n"
        f"Depends: linux-image-{OLD}\n"
    )
    made = make_plan(facts, parse_status(text), PreparationSpec(), StubArchive())
    (step,) = made.steps_of(ReplaceStep)
    assert step.kernel == GENERIC and not step.remove
    assert "update-grub" in step.reason


def test_no_package_is_installed_twice() -> None:
    """Two kernels whose packages need the same one."""
    versions = ("5.4.0-1-generic", "5.4.0-2-generic")
    kernels = [replace(kernel(version), drm=True) for version in versions]
    facts = replace(image(*kernels), distribution="ubuntu")
    archive = StubArchive(
        a_package("regdb"),
        *(a_package(f"linux-modules-extra-{version}", depends="regdb") for version in versions),
    )
    made = make_plan(facts, parse_status(""), PreparationSpec(), archive)
    names = [entry.name for step in made.steps_of(InstallStep) for entry in step.packages]
    assert sorted(names) == ["linux-modules-extra-" + version for version in versions] + ["regdb"]


def test_kernels_are_sorted_by_their_numbers() -> None:
    versions = [OLD, NEW, GENERIC, "5.10.0_x", "6.1.0-9-arm64"]
    assert sorted(versions, key=kernel_order) == [
        "5.10.0_x", "6.1.0-9-arm64", OLD, NEW, GENERIC,
    ]  # fmt: skip


def test_their_order_is_that_of_grubs_menu() -> None:
    flavours = ("generic", "generic-64k", "arm64", "arm64-16k", "rt-arm64", "cloud-arm64", "kvm")
    versions = [f"6.{minor}.0-31-{flavour}" for flavour in flavours for minor in (8, 14)]
    by_sort = run(["sort", "-V"], stdin="\n".join(versions).encode(), env={"LC_ALL": "C"}).stdout
    assert sorted(versions, key=kernel_order) == by_sort.split()
