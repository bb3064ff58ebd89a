"""Requests beside the screen: packages, files, time zone, size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.config.model import Guest, GuestFile, GuestSource
from core.errors import UnusableInput
from guestprep.apply.maintainer_scripts import unknown_effects
from guestprep.facts import DriverLocation, FileFacts, GuestFacts, Partition, Role
from guestprep.parse.dpkg import parse_status
from guestprep.plan import CopyStep, GrowStep, InstallStep, PreparationPlan, TimezoneStep, make_plan
from guestprep.spec import FileSpec, PreparationPart, PreparationSpec
from tests.unit.guestprep.plan.test_plan import STATUS, Shelf, facts, kernel, package

GIB = 1 << 30


def there() -> GuestFacts:
    """An image whose kernel needs nothing, on a disk of 2 GiB."""
    root = Partition(
        "/dev/sda1",
        Role.ROOT,
        "ext4",
        "cloudimg-rootfs",
        "",
        "",
        "",
        "/",
        GIB,
        number=1,
        start=100 << 20,
        length=2 * GIB - (101 << 20),
    )
    esp = Partition(
        "/dev/sda15",
        Role.ESP,
        "vfat",
        "UEFI",
        "",
        "",
        "",
        "/boot/efi",
        9,
        number=15,
        start=1 << 20,
        length=99 << 20,
    )
    found = facts(kernels=(kernel(gpu=DriverLocation.BUILTIN),), partitions=(root, esp))
    return replace(found, disk=replace(found.disk, virtual_size=2 * GIB))


def plan(found: GuestFacts, spec: PreparationSpec, shelf: Shelf | None = None) -> PreparationPlan:
    return make_plan(found, STATUS, spec, shelf or Shelf())


def test_packages_come_with_what_they_need_once() -> None:
    shelf = Shelf(
        package("htop", "3.0", "libncurses6"),
        package("htop", "2.0"),
        package("libncurses6", "6.5"),
        package("qemu-guest-agent", "1:10.0"),
    )
    made = plan(there(), PreparationSpec(packages=("htop", "qemu-guest-agent")), shelf)
    (install,) = made.of(InstallStep)
    assert [(entry.name, entry.version) for entry in install.packages] == [
        ("libncurses6", "6.5"),
        ("htop", "3.0"),
        ("qemu-guest-agent", "1:10.0"),
    ]
    assert install.manual == ("htop", "qemu-guest-agent")
    installed = parse_status(
        "Package: htop\nStatus: install ok installed\nArchitecture: arm64\nVersion: 2.0\n"
    )
    again = make_plan(there(), installed, PreparationSpec(packages=("htop",)), Shelf())
    assert not again.of(InstallStep)
    assert any(entry.topic == "package htop" for entry in again.settled)


def test_packages_that_cannot_be_had_are_refused() -> None:
    with pytest.raises(UnusableInput, match="no archive has a package htopp"):
        plan(there(), PreparationSpec(packages=("htopp",)))
    with pytest.raises(UnusableInput, match="htop needs libncurses6"):
        plan(
            there(),
            PreparationSpec(packages=("htop",)),
            Shelf(package("htop", "3.0", "libncurses6")),
        )


def test_a_package_the_screen_needs_is_not_installed_twice() -> None:
    from tests.unit.guestprep.plan.test_plan import EXTRA, META  # noqa: PLC0415 — one of many there

    shelf = Shelf(EXTRA, META, package("htop", "3.0", META.name))
    made = plan(facts(), PreparationSpec(packages=("htop", META.name)), shelf)
    names = [entry.name for step in made.of(InstallStep) for entry in step.packages]
    assert names == [EXTRA.name, META.name, "htop"]


def test_files_are_copied_where_they_differ(tmp_path: Path) -> None:
    source = tmp_path / "motd"
    source.write_text("hello\n")
    guest = Guest(
        name="g",
        source=GuestSource(path=tmp_path),
        files=[GuestFile(source=source, path="/etc/motd", mode="0640")],
    )
    spec = PreparationSpec.of(guest)
    (copy,) = plan(there(), spec).of(CopyStep)
    assert (copy.path, copy.mode) == ("/etc/motd", 0o640)
    same = FileFacts("/etc/motd", spec.files[0].sha256, 0o640)
    assert not plan(replace(there(), files=(same,)), spec).of(CopyStep)
    other = replace(same, mode=0o644)
    (copy,) = plan(replace(there(), files=(other,)), spec).of(CopyStep)
    assert "replaced" in copy.reason
    # The record of an image doesn't depend on where the file was copied from.
    assert str(tmp_path) not in str(spec.to_dict())
    source.unlink()
    with pytest.raises(UnusableInput, match=r"motd can't be copied into the image: No such file"):
        PreparationSpec.of(guest)


def test_files_on_another_partition_are_refused() -> None:
    file = FileSpec("/boot/efi/startup.nsh", Path("x"), 0o644, "0" * 64)
    with pytest.raises(UnusableInput, match="/boot/efi is a partition of its own"):
        plan(there(), PreparationSpec(files=(file,)))


def test_a_time_zone_is_set_where_the_guest_has_it() -> None:
    spec = PreparationSpec(timezone="Europe/Berlin")
    zone = FileFacts("/usr/share/zoneinfo/Europe/Berlin", "0" * 64, 0o644)
    found = replace(there(), timezone="Etc/UTC", timezone_file="Etc/UTC", files=(zone,))
    (step,) = plan(found, spec).of(TimezoneStep)
    assert step.named and step.target == zone.path
    done = replace(found, timezone="Europe/Berlin", timezone_file="Europe/Berlin")
    assert not plan(done, spec).of(TimezoneStep)
    assert plan(replace(done, timezone_file="Etc/UTC"), spec).of(TimezoneStep)
    with pytest.raises(UnusableInput, match="the image has no time zone Europe/Berlin"):
        plan(there(), spec)
    with_data = PreparationSpec(timezone="Europe/Berlin", packages=("tzdata",))
    assert plan(there(), with_data, Shelf(package("tzdata", "1"))).of(TimezoneStep)


def test_the_last_partition_grows_with_the_disk() -> None:
    (step,) = plan(there(), PreparationSpec(size=8 * GIB)).of(GrowStep)
    assert (step.device, step.number, step.mounted, step.gpt) == ("/dev/sda1", 1, "/", True)
    assert 5 * GIB < step.gain < 6 * GIB
    assert not plan(there(), PreparationSpec(size=2 * GIB)).of(GrowStep)
    assert not plan(there(), PreparationSpec(size=8 * GIB, parts=(PreparationPart.GRUB,))).of(
        GrowStep
    )


def test_a_disk_that_cannot_grow_is_refused() -> None:
    with pytest.raises(UnusableInput, match=r"the disk has 2\.0 GiB, which is more than"):
        plan(there(), PreparationSpec(size=GIB))
    swap = replace(there().partitions[1], role=Role.SWAP, type="swap", mounted="", start=3 * GIB)
    found = replace(there(), partitions=(there().partitions[0], swap))
    with pytest.raises(UnusableInput, match="at its end is a partition with swap"):
        plan(found, PreparationSpec(size=8 * GIB))


def test_the_agents_scripts_may_be_left_out() -> None:
    script = {"postinst": b"#!/bin/sh\ndeb-systemd-helper enable qemu-guest-agent.service\n"}
    assert unknown_effects("qemu-guest-agent", script) == ()
    assert unknown_effects("libglib2.0-0t64", script) == ()
    assert unknown_effects("other-agent", script) == ("postinst",)
