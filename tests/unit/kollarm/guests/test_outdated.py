"""Prepared images whose source has been published anew."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from core.config.model import Guest, GuestSource
from guestprep import record
from guestprep.source import download
from kollarm.guests.outdated import SourceAge, find_outdated
from tests.support import preparation

OLD, NEW = b"an image", b"a newer one"


def age(tmp_path: Path, listed: str, *, keep: bool = True) -> SourceAge:
    source = tmp_path / "x.img"
    source.write_bytes(OLD)
    sums = tmp_path / "SUMS"
    sums.write_text(f"{listed}  x.img\n")
    output = tmp_path / "x.qcow2"
    inputs: dict[str, object] = {"source": hashlib.sha256(OLD).hexdigest()}
    made = replace(preparation.record(tmp_path), source=str(source), inputs=inputs)
    record.write(made, record.record_path(output))
    if not keep:
        source.unlink()
    guest = Guest(name="x", source=GuestSource(path=source, sha256sums=str(sums)))
    return find_outdated([(guest, output)]).ages["x"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_newer_digest_means_outdated(tmp_path: Path, algorithm: str) -> None:
    listed = hashlib.new(algorithm, NEW).hexdigest()
    assert age(tmp_path, listed) is SourceAge.OUTDATED
    listed = hashlib.new(algorithm, OLD).hexdigest()
    assert age(tmp_path, listed) is SourceAge.CURRENT


def test_a_list_of_other_digests_needs_the_original(tmp_path: Path) -> None:
    listed = hashlib.sha512(OLD).hexdigest()
    assert age(tmp_path, listed, keep=False) is SourceAge.ORIGINAL_GONE


def test_what_was_checked_at_its_download_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path / "cache"))
    listed = hashlib.sha512(NEW).hexdigest()
    folder = download.place("sha512", listed)
    folder.mkdir(parents=True)
    source = folder / "x.img"
    source.write_bytes(b"not looked at")
    sums = tmp_path / "SUMS"
    sums.write_text(f"{listed}  x.img\n")
    output = tmp_path / "x.qcow2"
    made = replace(preparation.record(tmp_path), source=str(source))
    record.write(made, record.record_path(output))
    guest = Guest(name="x", source=GuestSource(path=source, sha256sums=str(sums)))
    assert find_outdated([(guest, output)]).ages["x"] is SourceAge.CURRENT


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    guest = Guest(name="x", source=GuestSource(path=tmp_path / "x.img", sha256="0" * 64))
    output = tmp_path / "x.qcow2"
    assert find_outdated([(guest, output)]).ages["x"] is SourceAge.NOT_PREPARED
    record.write(preparation.record(tmp_path), record.record_path(output))
    assert find_outdated([(guest, output)]).ages["x"] is SourceAge.NO_LIST
