"""The offline engine against the guest's own programs: one image, one plan, two results.

The guest's tools are told to put few modules into the initramfs.  Where each of them is emulated,
in an appliance that is emulated itself, they take more than an hour even so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.config.model import Guest, GuestFile
from core.run import run
from guestprep import pipeline
from guestprep.appliance import ApplianceError, Drive, launch_appliance
from guestprep.inside import enable_emulation, no_services, run_inside
from guestprep.inspect import Inspection, inspect_disk
from guestprep.inspect.layout import mount_all
from guestprep.parse.dpkg import fields_of, parse_status
from guestprep.parse.modules import module_name, parse_dep, parse_index
from guestprep.record import PreparationRecord
from guestprep.source import disk_facts
from testbed.guest_image import LAYOUTS, GuestImage, make
from tests.support import guest_disks
from tests.support.guests import guest_of

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(2 * 3600)]

#: What a start on Nova's devices needs, and no module more.
NEEDED = ("virtio_gpu", "virtio_scsi", "virtio_pci", "sd_mod", "ext4")
FEW = {
    "/etc/initramfs-tools/conf.d/few": "MODULES=list\n",
    "/etc/initramfs-tools/modules": "".join(f"{name}\n" for name in NEEDED[1:]),
}

META = "linux-image-extra-virtual"


@dataclass(frozen=True)
class Made:
    """A prepared image with what is known of it afterwards."""

    path: Path
    record: PreparationRecord
    seen: Inspection
    lists: dict[str, set[str]]
    """Dpkg's lists of paths, by package, of those the plan installed."""


@pytest.fixture(scope="module")
def image() -> GuestImage:
    return make(LAYOUTS["ubuntu-18.04"])


def guest(image: GuestImage, engine: str, folder: Path) -> Guest:
    files = []
    for number, (path, text) in enumerate(FEW.items()):
        source = folder / f"file-{number}"
        source.write_text(text)
        files.append(GuestFile(source=source, path=path))
    return guest_of(image, name=engine, engine=engine, compression="none", files=files)


def made(image: GuestImage, engine: str, folder: Path) -> Made:
    path = folder / f"{engine}.qcow2"
    record = pipeline.prepare(guest(image, engine, folder), path)
    work = folder / engine
    work.mkdir()
    disk = disk_facts(path)
    lists = {}
    with launch_appliance([Drive(path, disk.format)]) as appliance:
        seen = inspect_disk(appliance, disk, work)
        packages = record.outcome["packages"]
        assert isinstance(packages, list | tuple)
        for package in packages:
            listed = appliance.read(f"/var/lib/dpkg/info/{package}.list").decode()
            lists[package] = set(listed.split())
    return Made(path, record, seen, lists)


@pytest.fixture(scope="module")
def results(image: GuestImage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Made]]:
    folder = tmp_path_factory.mktemp("engines")
    yield [made(image, engine, folder) for engine in ("offline", "guest")]


def test_both_pass_their_checks(results: list[Made]) -> None:
    for one in results:
        assert one.record.checks and all(check.good for check in one.record.checks)


def test_the_initramfs_has_all_that_the_start_needs(results: list[Made]) -> None:
    offline, inside = results
    (kernel,), (found,) = offline.seen.facts.booted, offline.seen.contents.kernels
    index = parse_index(*(found.texts[f"modules.{name}"] for name in ("dep", "builtin", "softdep")))
    needed = {module_name(path) for path in index.closure(NEEDED)}
    (other,) = inside.seen.facts.booted
    assert kernel.initramfs is not None and other.initramfs is not None
    ours, theirs = set(kernel.initramfs.modules), set(other.initramfs.modules)
    assert needed <= ours
    assert theirs <= ours
    assert set(NEEDED) - index.builtin <= theirs
    assert "virtio_gpu" in kernel.initramfs.loads
    assert "virtio_gpu" in other.initramfs.loads


def test_the_kernel_is_told_the_same(results: list[Made]) -> None:
    def lines(one: Made) -> list[list[str]]:
        assert one.seen.facts.grub is not None
        return [
            # How the root is named is grub-probe's choice, made anew by update-grub.
            sorted(word for word in entry.words if not word.startswith("root="))
            for entry in one.seen.facts.grub.entries
            if not entry.rescue
        ]

    offline, inside = map(lines, results)
    assert offline == inside


def test_dpkg_and_apt_know_the_same(results: list[Made]) -> None:
    def status(one: Made) -> dict[object, tuple[str, str]]:
        packages = parse_status(one.seen.contents.dpkg_status).packages
        return {key: (package.version, package.state) for key, package in packages.items()}

    def automatic(one: Made) -> set[str]:
        text = one.seen.contents.texts["/var/lib/apt/extended_states"]
        found = (fields_of(part) for part in text.split("\n\n") if part.strip())
        return {entry["Package"] for entry in found if entry.get("Auto-Installed") == "1"}

    offline, inside = results
    assert status(offline) == status(inside)
    assert automatic(offline) == automatic(inside)
    assert META not in automatic(offline)


def test_the_packages_have_the_same_files(results: list[Made]) -> None:
    offline, inside = results
    assert offline.lists == inside.lists
    assert META in offline.lists

    def modules(one: Made) -> dict[str, tuple[str, ...]]:
        (kernel,) = one.seen.contents.kernels
        dep = parse_dep(kernel.texts["modules.dep"])
        return {path: tuple(sorted(needed)) for path, needed in dep.items()}

    assert modules(offline) == modules(inside)


def test_the_guest_itself_finds_nothing_wrong(results: list[Made], tmp_path: Path) -> None:
    offline, _ = results
    overlay = tmp_path / "overlay.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", offline.path, overlay])
    with launch_appliance([Drive(overlay, "qcow2", writable=True)]) as appliance:
        mount_all(appliance, offline.seen.contents.layout.mounts, writable=True)
        enable_emulation(appliance, "aarch64")
        assert run_inside(appliance, "dpkg --audit") == ""
        assert "E:" not in run_inside(appliance, "apt-get check")
        shown = run_inside(appliance, f"dpkg-query -W -f '${{db:Status-Status}}' {META}")
        assert shown == "installed"


def test_an_image_keeps_its_own_policy_for_services(tmp_path: Path) -> None:
    path = "/usr/sbin/policy-rc.d"
    disk = guest_disks.make(tmp_path / "disk.qcow2", tmp_path / "disk")
    with launch_appliance([Drive(disk, "qcow2", writable=True)]) as appliance:
        appliance.mount("/dev/sda1", writable=True)
        with no_services(appliance):
            assert appliance.read(path) == b"#!/bin/sh\nexit 101\n"
        assert not appliance.is_file(path)
        appliance.call("write", path, b"the image's own")
        appliance.call("chmod", 0o750, path)
        with pytest.raises(ZeroDivisionError), no_services(appliance):
            assert appliance.read(path) == b"#!/bin/sh\nexit 101\n"
            assert appliance.call("stat", path)["mode"] & 0o7777 == 0o755
            raise ZeroDivisionError
        assert appliance.read(path) == b"the image's own"
        assert appliance.call("stat", path)["mode"] & 0o7777 == 0o750
        assert appliance.list_directory("/usr/sbin") == ["policy-rc.d", "update-initramfs"]
        with pytest.raises(ApplianceError, match="first of all"), no_services(appliance):
            appliance.kill()
            raise ApplianceError("first of all")
