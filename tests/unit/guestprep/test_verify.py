"""The checks of a finished image: each finds what is wrong, and nothing else does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from guestprep.checks import Checks
from guestprep.expectations import Expectations
from guestprep.facts import DriverLocation, FileFacts, GrubFacts, GuestFacts, InitramfsFacts
from guestprep.inspect import Inspection
from guestprep.inspect.collect import GuestContents
from guestprep.inspect.layout import DiskLayout
from guestprep.spec import FileSpec, PreparationSpec
from guestprep.verify import check_image
from tests.support.guest_facts import GIB, PREPARED, VERSION, a_partition

EXPECTED = Expectations(
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
ROOT = a_partition(start=1 << 20, length=4 * GIB - (2 << 20), capacity=4 * GIB - (9 << 20))
MOTD = FileFacts("/etc/motd", "ab" * 32, 0o644)

#: An image that is all that is expected of it, and its parts for images that aren't.
GOOD = replace(
    PREPARED,
    disk=replace(PREPARED.disk, virtual_size=4 * GIB),
    timezone="Europe/Berlin",
    files=(MOTD,),
    partitions=(ROOT,),
)
(KERNEL,) = GOOD.kernels
assert KERNEL.initramfs is not None and GOOD.grub is not None
INITRAMFS, MENU, LEFTOVERS = KERNEL.initramfs, GOOD.grub, GOOD.leftovers


def checks(facts: GuestFacts, status: str = STATUS, expected: Expectations = EXPECTED) -> Checks:
    contents = GuestContents(
        layout=DiskLayout("gpt", (), (), ""),
        texts={"/var/lib/dpkg/status": status},
        names={},
        program=b"",
        usr_merged=True,
        menu="",
        kernels=(),
    )
    return check_image(Inspection(facts, contents), expected)


def failed(result: Checks) -> list[str]:
    return [check.claim for check in result.checks if not check.good]


def with_initramfs(initramfs: InitramfsFacts) -> GuestFacts:
    return replace(GOOD, kernels=(replace(KERNEL, initramfs=initramfs),))


def with_menu(menu: GrubFacts) -> GuestFacts:
    return replace(GOOD, grub=menu)


def with_words(*words: str) -> GuestFacts:
    (entry,) = MENU.entries
    return with_menu(replace(MENU, entries=(replace(entry, words=("ro", *words)),)))


def test_all_claims_hold_of_a_good_image() -> None:
    result = checks(GOOD)
    assert result.good and len(result.checks) == 30
    assert failed(result) == []


def test_the_document_has_every_claim() -> None:
    document = json.loads(json.dumps(checks(GOOD).to_dict()))
    assert document["good"] is True
    assert len(document["checks"]) == 30
    assert set(document["checks"][0]) == {"claim", "good", "found"}


@pytest.mark.parametrize(
    ("facts", "key_words"),
    [
        (replace(GOOD, architecture="x86_64"), "system is for aarch64"),
        (replace(GOOD, uefi=""), "UEFI"),
        (replace(GOOD, kernels=()), "kernel with its modules"),
        (
            replace(GOOD, kernels=(replace(KERNEL, gpu=DriverLocation.MISSING),)),
            f"kernel {VERSION} has virtio_gpu",
        ),
        (with_initramfs(replace(INITRAMFS, fault="cut short")), "can be read"),
        (
            with_initramfs(replace(INITRAMFS, modules=("virtio_gpu",), indexed=("virtio_gpu",))),
            "has drm, virtio_gpu",
        ),
        (with_initramfs(replace(INITRAMFS, indexed=("drm",))), "its modules.dep"),
        (with_initramfs(replace(INITRAMFS, loads=())), f"{INITRAMFS.path} loads virtio_gpu"),
        (replace(GOOD, modules_load=()), "at every start"),
        (replace(GOOD, initramfs_hook=False), "later initramfs"),
        (with_words("console=tty1", "console=ttyAMA0,115200"), "menu entry “Ubuntu”"),
        (
            with_words("nomodeset", "console=ttyAMA0,115200", "console=tty1"),
            "menu entry “Ubuntu”",
        ),
        (replace(GOOD, grub=None), "boot menu"),
        (
            with_menu(replace(MENU, drop_in_text="GRUB_CMDLINE_LINUX=nofb\n")),
            "/etc/default/grub.d",
        ),
        (with_menu(replace(MENU, repairs="recovery")), "entry for repairs"),
        (replace(GOOD, unready=("htop",)), "unfinished packages"),
        (replace(GOOD, files=()), "/etc/motd"),
        (replace(GOOD, files=(replace(MOTD, mode=0o600),)), "/etc/motd"),
        (replace(GOOD, timezone="Etc/UTC"), "time zone"),
        (replace(GOOD, partitions=(replace(ROOT, length=3 * GIB),)), "last partition"),
        (replace(GOOD, partitions=(replace(ROOT, capacity=3 * GIB),)), "file system"),
        (replace(GOOD, leftovers=replace(LEFTOVERS, machine_id=True)), "machine-id"),
        (replace(GOOD, leftovers=replace(LEFTOVERS, secrets=("/var/x",))), "random seed"),
        (replace(GOOD, leftovers=replace(LEFTOVERS, host_keys=("/etc/ssh/x",))), "host keys"),
        (replace(GOOD, leftovers=replace(LEFTOVERS, cloud_init=("/var/x",))), "cloud-init"),
        (replace(GOOD, leftovers=replace(LEFTOVERS, apt_lists=("/var/x",))), "package lists"),
    ],
)
def test_what_is_wrong_is_found(facts: GuestFacts, key_words: str) -> None:
    result = checks(facts)
    assert not result.good
    (claim,) = failed(result)
    assert key_words in claim


@pytest.mark.parametrize(
    ("status", "claim"),
    [
        (STATUS.replace("htop", "top"), "htop is installed"),
        (STATUS.replace("4.15", "4.16"), "linux-modules-extra 4.15"),
        (STATUS.replace("htop", "linux-image-4.14-cloud"), "kernel 4.14-cloud"),
    ],
)
def test_packages_are_found_missing(status: str, claim: str) -> None:
    assert any(claim in failure for failure in failed(checks(GOOD, status)))


def test_another_size_is_found() -> None:
    smaller = replace(EXPECTED, spec=replace(EXPECTED.spec, size=3 * GIB))
    (claim,) = failed(checks(GOOD, expected=smaller))
    assert "3.0 GiB" in claim


def test_only_what_was_asked_for_is_checked() -> None:
    bare = replace(GOOD, modules_load=(), initramfs_hook=False, grub=None, timezone="")
    assert checks(bare, expected=Expectations(PreparationSpec(parts=()))).good


def test_the_requested_kernel_is_the_one_that_is_booted() -> None:
    packages = {"linux-image-generic": f"linux-image-{VERSION}", f"linux-image-{VERSION}": ""}
    status = STATUS + "".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1\n"
        f"Depends: {depends}\n\n"
        for name, depends in packages.items()
    )
    wanted = replace(EXPECTED, spec=replace(EXPECTED.spec, kernel="linux-image-generic"))
    assert checks(GOOD, status, wanted).good
    (entry,) = MENU.entries
    other = with_menu(replace(MENU, entries=(replace(entry, kernel="/boot/vmlinuz-5.0.0-1"),)))
    for facts, installed in ((other, status), (GOOD, STATUS)):
        assert any(
            "linux-image-generic" in claim for claim in failed(checks(facts, installed, wanted))
        )
