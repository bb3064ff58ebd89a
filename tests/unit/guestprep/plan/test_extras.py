"""What is requested beside the screen: packages, files, time zone, size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.config.model import Guest, GuestFile, GuestSource
from core.errors import UnusableInput
from guestprep.archive.package import ArchivePackage
from guestprep.facts import DriverLocation, FileFacts, GuestFacts, Role
from guestprep.parse.dpkg import parse_status
from guestprep.plan.make import make_plan
from guestprep.plan.model import CopyStep, GrowStep, InstallStep, PreparationPlan, TimezoneStep
from guestprep.spec import FileSpec, PreparationPart, PreparationSpec
from tests.support.guest_facts import (
    EXTRA,
    GIB,
    META,
    STATUS,
    UBUNTU_18_04,
    StubArchive,
    a_kernel,
    a_package,
    a_partition,
)

ROOT = a_partition(start=100 << 20, length=2 * GIB - (101 << 20))
ESP = a_partition(
    Role.ESP, number=15, type="vfat", mounted="/boot/efi", free=9, start=1 << 20, length=99 << 20
)

#: An image whose kernel needs nothing, on a disk of 2 GiB.
IMAGE = replace(
    UBUNTU_18_04,
    disk=replace(UBUNTU_18_04.disk, virtual_size=2 * GIB),
    partitions=(ROOT, ESP),
    kernels=(a_kernel(gpu=DriverLocation.BUILTIN),),
)


def plan(facts: GuestFacts, spec: PreparationSpec, *packages: ArchivePackage) -> PreparationPlan:
    return make_plan(facts, STATUS, spec, StubArchive(*packages))


# -- packages -------------------------------------------------------------------


def test_packages_are_installed_once_with_their_dependencies() -> None:
    result = plan(
        IMAGE,
        PreparationSpec(packages=("htop", "qemu-guest-agent")),
        a_package("htop", "3.0", depends="libncurses6"),
        a_package("htop", "2.0"),
        a_package("libncurses6", "6.5"),
        a_package("qemu-guest-agent", "1:10.0"),
    )
    (install,) = result.steps_of(InstallStep)
    assert [(entry.name, entry.version) for entry in install.packages] == [
        ("libncurses6", "6.5"),
        ("htop", "3.0"),
        ("qemu-guest-agent", "1:10.0"),
    ]
    assert install.manual == ("htop", "qemu-guest-agent")


def test_an_installed_package_is_not_installed_again() -> None:
    status = parse_status(
        "Package: htop\nStatus: install ok installed\nArchitecture: arm64\nVersion: 2.0\n"
    )
    result = make_plan(IMAGE, status, PreparationSpec(packages=("htop",)), StubArchive())
    assert not result.steps_of(InstallStep)
    assert "package htop" in [entry.topic for entry in result.satisfied]


def test_a_package_that_no_archive_has_is_refused() -> None:
    with pytest.raises(UnusableInput, match="htopp"):
        plan(IMAGE, PreparationSpec(packages=("htopp",)))


def test_a_package_with_an_unmet_dependency_is_refused() -> None:
    package = a_package("htop", depends="libncurses6")
    with pytest.raises(UnusableInput, match="libncurses6"):
        plan(IMAGE, PreparationSpec(packages=("htop",)), package)


def test_a_package_that_the_screen_needs_is_not_installed_twice() -> None:
    htop = a_package("htop", depends=META.name)
    spec = PreparationSpec(packages=("htop", META.name))
    result = plan(UBUNTU_18_04, spec, EXTRA, META, htop)
    names = [entry.name for step in result.steps_of(InstallStep) for entry in step.packages]
    assert names == [EXTRA.name, META.name, "htop"]


# -- files ----------------------------------------------------------------------

MOTD = FileSpec("/etc/motd", Path("motd"), 0o640, "ab" * 32)
WITH_MOTD = PreparationSpec(files=(MOTD,))


def test_a_missing_file_is_copied() -> None:
    (copy,) = plan(IMAGE, WITH_MOTD).steps_of(CopyStep)
    assert (copy.path, copy.mode, copy.sha256) == ("/etc/motd", 0o640, MOTD.sha256)


def test_a_file_that_is_the_same_is_not_copied() -> None:
    same = FileFacts(MOTD.path, MOTD.sha256, MOTD.mode)
    assert not plan(replace(IMAGE, files=(same,)), WITH_MOTD).steps_of(CopyStep)


@pytest.mark.parametrize(
    "other",
    [FileFacts(MOTD.path, MOTD.sha256, 0o644), FileFacts(MOTD.path, "cd" * 32, MOTD.mode)],
)
def test_a_file_that_differs_is_replaced(other: FileFacts) -> None:
    (copy,) = plan(replace(IMAGE, files=(other,)), WITH_MOTD).steps_of(CopyStep)
    assert "replaced" in copy.reason


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    file = GuestFile(source=tmp_path / "motd", path="/etc/motd")
    guest = Guest(name="g", source=GuestSource(path=tmp_path), files=[file])
    with pytest.raises(UnusableInput, match="No such file"):
        PreparationSpec.of(guest)


def test_where_a_file_was_copied_from_is_not_recorded() -> None:
    assert "source" not in str(WITH_MOTD.to_dict())


def test_a_file_on_another_partition_is_refused() -> None:
    file = FileSpec("/boot/efi/startup.nsh", Path("x"), 0o644, "0" * 64)
    with pytest.raises(UnusableInput, match="/boot/efi"):
        plan(IMAGE, PreparationSpec(files=(file,)))


# -- time zone ------------------------------------------------------------------

BERLIN = FileFacts("/usr/share/zoneinfo/Europe/Berlin", "0" * 64, 0o644)
IN_BERLIN = PreparationSpec(timezone="Europe/Berlin")
IN_UTC = replace(IMAGE, timezone="Etc/UTC", timezone_file="Etc/UTC", files=(BERLIN,))


def test_a_time_zone_is_set() -> None:
    (step,) = plan(IN_UTC, IN_BERLIN).steps_of(TimezoneStep)
    assert step.named and step.target == BERLIN.path


def test_a_time_zone_is_set_where_one_of_two_files_differs() -> None:
    facts = replace(IN_UTC, timezone="Europe/Berlin")
    assert plan(facts, IN_BERLIN).steps_of(TimezoneStep)


def test_a_time_zone_that_is_set_already_needs_no_step() -> None:
    facts = replace(IN_UTC, timezone="Europe/Berlin", timezone_file="Europe/Berlin")
    assert not plan(facts, IN_BERLIN).steps_of(TimezoneStep)


def test_a_time_zone_that_the_image_does_not_have_is_refused() -> None:
    with pytest.raises(UnusableInput, match="Europe/Berlin"):
        plan(IMAGE, IN_BERLIN)


def test_a_time_zone_may_come_with_a_package() -> None:
    spec = replace(IN_BERLIN, packages=("tzdata",))
    assert plan(IMAGE, spec, a_package("tzdata")).steps_of(TimezoneStep)


# -- size -----------------------------------------------------------------------


def test_the_last_partition_grows_with_the_disk() -> None:
    (step,) = plan(IMAGE, PreparationSpec(size=8 * GIB)).steps_of(GrowStep)
    assert (step.device, step.number, step.mounted, step.gpt) == ("/dev/sda1", 1, "/", True)
    assert 5 * GIB < step.gain < 6 * GIB


@pytest.mark.parametrize(
    "spec",
    [
        PreparationSpec(size=2 * GIB),
        PreparationSpec(size=8 * GIB, parts=(PreparationPart.GRUB,)),
    ],
)
def test_a_disk_does_not_grow_where_nothing_asks_for_it(spec: PreparationSpec) -> None:
    assert not plan(IMAGE, spec).steps_of(GrowStep)


def test_a_disk_is_never_made_smaller() -> None:
    with pytest.raises(UnusableInput, match=r"2\.0 GiB.*1\.0 GiB"):
        plan(IMAGE, PreparationSpec(size=GIB))


def test_a_disk_that_ends_in_swap_cannot_grow() -> None:
    swap = a_partition(Role.SWAP, number=2, type="swap", mounted="", start=3 * GIB)
    with pytest.raises(UnusableInput, match="swap"):
        plan(replace(IMAGE, partitions=(ROOT, swap)), PreparationSpec(size=8 * GIB))
