"""Keyrings that the machine's distribution doesn't have come from Debian's archive, verified."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config.model import AptArchive, Config, Guest, GuestSource
from guestprep.archive import keyrings
from guestprep.archive.fetch import ArchiveError
from guestprep.archive.keyrings import PACKAGES, available, can_be_fetched
from kollarm.doctor import machine
from kollarm.doctor.model import Level
from tests.support import synthetic

CLOUD = Path("/nowhere/ubuntu-cloudimage-keyring.gpg")


@pytest.fixture
def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AptArchive:
    """An archive whose ubuntu-keyring has one of the two keyrings."""
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path / "cache"))
    names = ("ubuntu-cloudimage-keyring.gpg", "ubuntu-archive-keyring.gpg")
    monkeypatch.setattr(
        keyrings, "PACKAGES", {Path("/nowhere") / name: "ubuntu-keyring" for name in names}
    )
    made = synthetic.signed_archive(tmp_path / "archive", "trixie")
    control = {
        "Package": "ubuntu-keyring", "Version": "1", "Architecture": "all",
        "Maintainer": "x <x@example.org>", "Description": "keys",
    }  # fmt: skip
    files = {"nowhere/ubuntu-cloudimage-keyring.gpg": b"keys", "usr/bin/x": b"no"}
    synthetic.deb(made.folder / "pool/ubuntu-keyring.deb", control, files)
    made.sign()
    return AptArchive(uri=f"file:{made.folder}", suite="trixie", keyring=made.keyring)


def test_a_keyring_that_is_installed_is_used(tmp_path: Path) -> None:
    here = tmp_path / "keys.gpg"
    here.write_bytes(b"keys")
    assert available(here) == here


def test_one_that_is_missing_comes_from_debian(origin: AptArchive) -> None:
    found = available(CLOUD, origin)
    assert found.read_bytes() == b"keys"
    assert [path.name for path in found.parent.glob("[!.]*")] == [CLOUD.name]


def test_one_that_debian_did_not_sign_is_refused(origin: AptArchive, tmp_path: Path) -> None:
    other = synthetic.signed_archive(tmp_path / "other")
    with pytest.raises(ArchiveError):
        available(CLOUD, origin.model_copy(update={"keyring": other.keyring}))
    assert not [*(tmp_path / "cache").rglob(CLOUD.name)]


def test_one_that_the_package_lacks_is_named(origin: AptArchive) -> None:
    with pytest.raises(ArchiveError, match="ubuntu-archive-keyring"):
        available(Path("/nowhere/ubuntu-archive-keyring.gpg"), origin)


def test_any_other_keyring_is_left_to_whoever_reads_it(origin: AptArchive) -> None:
    assert available(Path("/nowhere/x.gpg"), origin) == Path("/nowhere/x.gpg")


def test_the_doctor_misses_keyrings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def levels(source: GuestSource) -> list[Level]:
        config = Config(guests=[Guest(name="g", source=source)])
        return [finding.level for finding in machine.keyrings(config)]

    assert levels(GuestSource(image="ubuntu-22.04", keyring=tmp_path / "none"))[0] is Level.MISSING
    absent = [path for path in PACKAGES if not path.is_file()]
    fetchable = bool(absent) and can_be_fetched(absent[0])
    expected = Level.NOTE if fetchable else Level.MISSING if absent else Level.GOOD
    assert {*levels(GuestSource(image="ubuntu-22.04"))} == {expected}
    assert levels(GuestSource(path=tmp_path)) == []
