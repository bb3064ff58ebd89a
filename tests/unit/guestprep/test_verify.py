"""The checks of a finished image: each finds what is wrong, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from guestprep.checks import Checks
from guestprep.expectations import Expectations
from guestprep.facts import (
    DriverLocation,
    FileFacts,
    GrubFacts,
    GuestFacts,
    InitramfsFacts,
    Leftovers,
    Partition,
    Role,
)
from guestprep.inspect import Inspection
from guestprep.inspect.collect import GuestContents
from guestprep.inspect.layout import DiskLayout
from guestprep.spec import FileSpec, PreparationSpec
from guestprep.verify import check_image
from tests.unit.guestprep.plan.test_plan import VERSION, prepared

GIB = 1 << 30
PROMISE = Expectations(
    PreparationSpec(
        files=(FileSpec("/etc/motd", Path("motd"), 0o644, "ab" * 32),),
        packages=("htop",),
        timezone="Europe/Berlin",
        size=4 * GIB,
    ),
    installed=(("linux-modules-extra", "4.15"),),
    replaced=(("4.14-cloud", ("linux-image-4.14-cloud",)),),
)
STATUS = "".join(
    f"Package: {name}\nStatus: install ok installed\nArchitecture: arm64\nVersion: {version}\n\n"
    for name, version in (("htop", "3"), ("linux-modules-extra", "4.15"))
)


def good() -> GuestFacts:
    """An image that keeps the promise."""
    made = prepared(
        timezone="Europe/Berlin",
        files=(FileFacts("/etc/motd", "ab" * 32, 0o644),),
        partitions=(
            Partition(
                *("/dev/sda1", Role.ROOT, "ext4", "", "", "", "", "/", GIB),
                capacity=4 * GIB - (9 << 20),
                number=1,
                start=1 << 20,
                length=4 * GIB - (2 << 20),
            ),
        ),
    )
    return replace(made, disk=replace(made.disk, virtual_size=4 * GIB))


def checks(facts: GuestFacts, status: str = STATUS, promise: Expectations = PROMISE) -> Checks:
    evidence = GuestContents(
        layout=DiskLayout("gpt", (), (), ""),
        texts={"/var/lib/dpkg/status": status},
        names={},
        program=b"",
        usr_merged=True,
        menu="",
        kernels=(),
        localtime="",
        watched={},
    )
    return check_image(Inspection(facts, evidence), promise)


def failed(found: Checks) -> list[str]:
    return [check.claim for check in found.checks if not check.good]


def test_all_claims_hold_of_a_good_image() -> None:
    found = checks(good())
    assert found.good and len(found.checks) == 26
    assert all(line.startswith("ok   ") for line in found.to_text().splitlines())
    document = json.loads(json.dumps(found.to_dict()))
    assert document["good"] is True
    assert document["checks"][0] == {
        "claim": "the system is for aarch64",
        "good": True,
        "found": "",
    }


def ramfs(facts: GuestFacts, **changes: object) -> GuestFacts:
    (kernel,) = facts.kernels
    assert isinstance(kernel.initramfs, InitramfsFacts)
    changed = replace(kernel.initramfs, **changes)  # type: ignore[arg-type]
    return replace(facts, kernels=(replace(kernel, initramfs=changed),))


def grub(facts: GuestFacts, **changes: object) -> GuestFacts:
    assert isinstance(facts.grub, GrubFacts)
    return replace(facts, grub=replace(facts.grub, **changes))  # type: ignore[arg-type]


def words(facts: GuestFacts, *last: str) -> GuestFacts:
    assert facts.grub is not None
    (entry,) = facts.grub.entries
    return grub(facts, entries=(replace(entry, words=("ro", *last)),))


def partition(facts: GuestFacts, **changes: object) -> GuestFacts:
    (part,) = facts.partitions
    return replace(facts, partitions=(replace(part, **changes),))  # type: ignore[arg-type]


def leftovers(facts: GuestFacts, **changes: object) -> GuestFacts:
    return replace(facts, leftovers=replace(Leftovers(False, (), (), ()), **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        (lambda x: replace(x, architecture="x86_64"), "the system is for aarch64"),
        (lambda x: replace(x, uefi=""), "UEFI finds a boot loader on the ESP"),
        (lambda x: replace(x, kernels=()), "there is a kernel with its modules"),
        (
            lambda x: replace(x, kernels=(replace(x.kernels[0], gpu=DriverLocation.MISSING),)),
            f"kernel {VERSION} has virtio_gpu",
        ),
        (lambda x: ramfs(x, fault="cut short"), "/boot/i can be read to its end"),
        (
            lambda x: ramfs(x, modules=("virtio_gpu",), indexed=("virtio_gpu",)),
            "/boot/i has drm, virtio_gpu",
        ),
        (
            lambda x: ramfs(x, indexed=("drm",)),
            "/boot/i: its modules.dep knows all its 2 modules",
        ),
        (lambda x: ramfs(x, loads=()), "/boot/i loads virtio_gpu"),
        (lambda x: replace(x, modules_load=()), "virtio_gpu is loaded at every start"),
        (lambda x: replace(x, initramfs_hook=False), "later initramfs files will have virtio_gpu"),
        (
            lambda x: words(x, "console=tty1", "console=ttyAMA0,115200"),
            "menu entry “U” ends in console=ttyAMA0,115200 console=tty1",
        ),
        (
            lambda x: words(x, "nomodeset", "console=ttyAMA0,115200", "console=tty1"),
            "menu entry “U” ends in console=ttyAMA0,115200 console=tty1",
        ),
        (lambda x: replace(x, grub=None), "there is a GRUB menu"),
        (
            lambda x: grub(x, drop_in_text="GRUB_CMDLINE_LINUX=nofb\n"),
            "99-kollarm.cfg sorts last in /etc/default/grub.d, with "
            "console=ttyAMA0,115200 console=tty1",
        ),
        (lambda x: replace(x, unready=("htop",)), "dpkg has no unfinished packages"),
        (lambda x: replace(x, files=()), "/etc/motd is as requested, mode 0644"),
        (
            lambda x: replace(x, files=(FileFacts("/etc/motd", "ab" * 32, 0o600),)),
            "/etc/motd is as requested, mode 0644",
        ),
        (lambda x: replace(x, timezone="Etc/UTC"), "the time zone is Europe/Berlin"),
        (lambda x: partition(x, length=3 * GIB), "its last partition reaches its end"),
        (lambda x: partition(x, capacity=3 * GIB), "the file system fills the partition"),
        (lambda x: leftovers(x, machine_id=True), "no machine-id is set"),
        (lambda x: leftovers(x, host_keys=("/etc/ssh/ssh_host_key",)), "no SSH host keys"),
        (lambda x: leftovers(x, cloud_init=("/var/lib/cloud/x",)), "no state of cloud-init"),
        (lambda x: leftovers(x, apt_lists=("/var/lib/apt/lists/x",)), "no package lists"),
    ],
)
def test_what_is_wrong_is_found(change: Callable[[GuestFacts], GuestFacts], claim: str) -> None:
    found = checks(change(good()))
    assert not found.good
    assert failed(found) == [claim]


@pytest.mark.parametrize(
    ("status", "claim"),
    [
        (STATUS.replace("htop", "top"), "htop is installed"),
        (STATUS.replace("4.15", "4.16"), "dpkg has linux-modules-extra 4.15 installed"),
        (
            STATUS.replace("htop", "linux-image-4.14-cloud"),
            "kernel 4.14-cloud isn't started any more",
        ),
    ],
)
def test_packages_are_found_missing(status: str, claim: str) -> None:
    assert claim in failed(checks(good(), status))


def test_another_size_is_found() -> None:
    smaller = replace(PROMISE, spec=replace(PROMISE.spec, size=3 * GIB))
    assert failed(checks(good(), promise=smaller)) == ["the disk has 3.0 GiB"]


def test_only_what_was_asked_for_is_checked() -> None:
    spec = PreparationSpec(parts=())
    bare = replace(good(), modules_load=(), initramfs_hook=False, grub=None, timezone="")
    assert checks(bare, promise=Expectations(spec)).good
