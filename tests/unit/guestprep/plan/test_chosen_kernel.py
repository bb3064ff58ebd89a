"""A kernel that the configuration asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.errors import UnusableInput
from guestprep.facts import BootLoader, DriverLocation, GuestFacts, KernelFacts
from guestprep.parse.dpkg import DpkgStatus, parse_status
from guestprep.parse.grub import BootEntry
from guestprep.plan.make import make_plan
from guestprep.plan.model import GrubStep, InitramfsStep, InstallStep, PreparationPlan, ReplaceStep
from guestprep.spec import PreparationSpec
from tests.support.guest_facts import (
    UBUNTU_18_04,
    StubArchive,
    a_kernel,
    a_menu,
    a_package,
    an_initramfs,
)

PRESENT, LARGE_PAGES, CLOUD = "6.8.0-31-generic", "6.8.0-31-generic-64k", "6.8.0-31-zcloud"
CHOSEN = "linux-image-generic-64k"
ARCHIVE = StubArchive(
    a_package(CHOSEN, depends=f"linux-image-{LARGE_PAGES}, tools"),
    a_package(f"linux-image-{LARGE_PAGES}", depends=f"linux-modules-{LARGE_PAGES}"),
    a_package(f"linux-modules-{LARGE_PAGES}"),
    a_package("tools"),
)


def kernel(version: str, gpu: DriverLocation = DriverLocation.MODULE) -> KernelFacts:
    with_driver = gpu is not DriverLocation.MISSING
    made = a_kernel(gpu=gpu, drm=with_driver, needs=("a.ko",) if with_driver else ())
    ramfs = replace(an_initramfs("a", "virtio_gpu"), path=f"/boot/initrd.img-{version}")
    return replace(made, version=version, package=f"linux-image-{version}", initramfs=ramfs)


def image(*kernels: KernelFacts, booted: int = 9) -> GuestFacts:
    entries = tuple(
        BootEntry("Ubuntu", f"/boot/vmlinuz-{entry.version}", ("ro",), ("/initrd",), line)
        for line, entry in enumerate(kernels[:booted])
    )
    return replace(UBUNTU_18_04, kernels=kernels, grub=replace(a_menu(), entries=entries))


def status(**packages: str) -> DpkgStatus:
    """The installed packages, by name with ``_`` for ``-``, each with its Depends."""
    return parse_status(
        "\n".join(
            f"Package: {name.replace('_', '-')}\nStatus: install ok installed\nVersion: 1\n"
            f"Architecture: arm64\nDepends: {depends}\n"
            for name, depends in packages.items()
        )
    )


def plan(facts: GuestFacts, installed: DpkgStatus, name: str = CHOSEN) -> PreparationPlan:
    return make_plan(facts, installed, PreparationSpec(kernel=name), ARCHIVE)


def test_it_is_installed_and_booted_instead() -> None:
    made = plan(image(kernel(PRESENT)), status())
    (step,) = made.steps_of(InstallStep)
    assert isinstance(step, ReplaceStep)
    assert (step.kernel, step.replaced, step.manual) == (LARGE_PAGES, (PRESENT,), (CHOSEN,))
    # The version of the present one is the beginning of its: GRUB puts it behind.
    assert step.remove == ()
    (ramfs,) = made.steps_of(InitramfsStep)
    assert ramfs.path.endswith(LARGE_PAGES) and ramfs.based_on.endswith(PRESENT)
    (menu,) = made.steps_of(GrubStep)
    assert menu.kernels == {PRESENT: LARGE_PAGES}


def test_kernels_that_grub_puts_first_are_removed() -> None:
    installed = status(
        **{
            f"linux-image-{CLOUD}": f"linux-modules-{CLOUD}",
            f"linux-modules-{CLOUD}": "",
            "linux-zcloud": "linux-image-zcloud",
            "linux-image-zcloud": f"linux-image-{CLOUD}",
        }
    )
    (step,) = plan(image(kernel(PRESENT), kernel(CLOUD)), installed).steps_of(ReplaceStep)
    assert step.remove == (
        f"linux-image-{CLOUD}", "linux-image-zcloud", f"linux-modules-{CLOUD}", "linux-zcloud",
    )  # fmt: skip
    assert set(step.replaced) == {PRESENT, CLOUD}


def test_an_installed_one_is_booted_without_downloads() -> None:
    facts = image(kernel(CLOUD), kernel(LARGE_PAGES), booted=1)
    installed = status(
        **{CHOSEN: f"linux-image-{LARGE_PAGES}", f"linux-image-{LARGE_PAGES}": "",
           f"linux-image-{CLOUD}": ""}
    )  # fmt: skip
    made = plan(facts, installed)
    (step,) = made.steps_of(InstallStep)
    assert isinstance(step, ReplaceStep) and step.packages == ()
    # It wasn't in the menu, and needs the driver in its initramfs now.
    assert [ramfs.kernel for ramfs in made.steps_of(InitramfsStep)] == [LARGE_PAGES]


def test_a_guest_that_boots_it_already_keeps_what_it_has() -> None:
    installed = status(**{CHOSEN: f"linux-image-{LARGE_PAGES}", f"linux-image-{LARGE_PAGES}": ""})
    assert plan(image(kernel(LARGE_PAGES)), installed).steps_of(InstallStep) == ()
    facts = image(kernel(LARGE_PAGES), kernel(PRESENT), booted=1)
    assert plan(facts, installed).steps_of(InstallStep) == ()


def test_a_package_of_the_present_kernel_is_installed_with_it() -> None:
    installed = status(**{f"linux-image-{LARGE_PAGES}": f"linux-modules-{LARGE_PAGES}"})
    (step,) = plan(image(kernel(LARGE_PAGES)), installed).steps_of(InstallStep)
    assert not isinstance(step, ReplaceStep) and CHOSEN in step.manual


@pytest.mark.parametrize(
    ("facts", "installed", "name", "word"),
    [
        (image(kernel(PRESENT)), status(), "tools", "depends on none"),
        (image(kernel(PRESENT)), status(), "linux-image-absent", "no archive"),
        (image(kernel(CLOUD)), status(), CHOSEN, "no package owns it"),
        (
            image(kernel(CLOUD)),
            status(**{f"linux-image-{CLOUD}": "", "appliance": f"linux-image-{CLOUD}"}),
            CHOSEN,
            CLOUD,
        ),
        (
            image(kernel(CLOUD, DriverLocation.MISSING)),
            status(**{f"linux-image-{CLOUD}": ""}),
            f"linux-image-{CLOUD}",
            "CONFIG_DRM",
        ),
        (
            replace(image(kernel(PRESENT)), loader=BootLoader.SYSTEMD_BOOT),
            status(),
            CHOSEN,
            "systemd-boot",
        ),
    ],
)
def test_what_cannot_be_booted_is_refused_by_name(
    facts: GuestFacts, installed: DpkgStatus, name: str, word: str
) -> None:
    with pytest.raises(UnusableInput) as refused:
        plan(facts, installed, name)
    assert word in refused.value.message
