"""The archive client against a real signed archive in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from urllib3.util import Retry

from core.config.model import AptArchive
from core.download import DownloadError
from core.errors import UnusableInput
from guestprep.apply.maintainer_scripts import require_offline
from guestprep.archive.client import ArchiveClient
from guestprep.archive.deb import open_deb
from guestprep.archive.fetch import ArchiveError
from guestprep.archive.resolve import resolve
from guestprep.parse.dpkg import parse_status
from guestprep.plan.model import InstallStep
from tests.support import guest_disks, synthetic

EXTRA = f"linux-modules-extra-{guest_disks.VERSION}"

CONTROL = {
    "Package": "a",
    "Version": "1",
    "Architecture": "all",
    "Maintainer": "x <x@y>",
    "Description": "x",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> synthetic.SignedArchive:
    return guest_disks.archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path / "cache"))


def _client(made: synthetic.SignedArchive, keyring: Path | None = None) -> ArchiveClient:
    return ArchiveClient(
        [
            AptArchive(
                uri=f"file://{made.folder}", suite=made.suite, keyring=keyring or made.keyring
            )
        ],
        "arm64",
    )


def _damage(path: Path, old: bytes, new: bytes) -> bytes:
    before = path.read_bytes()
    assert old in before
    path.write_bytes(before.replace(old, new))
    return before


def test_packages_are_found_and_fetched(made: synthetic.SignedArchive) -> None:
    client = _client(made)
    (extra,) = client.candidates(EXTRA)
    assert extra.version == "4.15.0-99.100"
    deb = open_deb(client.fetch(extra))
    assert f"Package: {EXTRA}\n" in deb.control
    assert set(deb.info) == {"md5sums", "postinst"} or set(deb.info) == {"postinst"}
    with deb.data() as data:
        assert any(entry.name.endswith("virtio-gpu.ko") for entry in data)


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd", "none"])
def test_packages_of_every_compression_are_read(tmp_path: Path, compression: str) -> None:
    path = synthetic.deb(tmp_path / "a.deb", CONTROL, {"x": b"content"}, compression=compression)
    deb = open_deb(path)
    with deb.data() as data:
        assert [entry.size for entry in data if entry.isfile()] == [7]


def test_dependencies_come_first_and_installed_ones_do_not(
    made: synthetic.SignedArchive,
) -> None:
    client = _client(made)
    (meta,) = client.candidates("linux-image-extra-virtual")
    status = parse_status(guest_disks._STATUS.format(version=guest_disks.VERSION))
    found = resolve([meta], client, status)
    assert not found.faults
    assert [package.name for package in found.packages] == [EXTRA, "linux-image-extra-virtual"]
    assert "needs linux-modules" in resolve([meta], client, parse_status("")).faults[0]


def test_a_signature_of_another_key_is_refused(
    made: synthetic.SignedArchive, tmp_path: Path
) -> None:
    other = synthetic.signed_archive(tmp_path / "other")
    with pytest.raises(ArchiveError, match="not signed by any key"):
        _client(made, other.keyring).candidates(EXTRA)


def test_a_changed_release_is_refused(made: synthetic.SignedArchive) -> None:
    path = made.folder / "dists" / made.suite / "InRelease"
    before = _damage(path, b"Origin: synthetic", b"Origin: synthetiK")
    with pytest.raises(ArchiveError, match="bad signature"):
        _client(made).candidates(EXTRA)
    path.write_bytes(before)


def test_an_unsigned_release_is_refused(made: synthetic.SignedArchive) -> None:
    path = made.folder / "dists" / made.suite / "InRelease"
    before = path.read_bytes()
    path.write_bytes((path.parent / "Release").read_bytes())
    with pytest.raises(ArchiveError, match="not signed"):
        _client(made).candidates(EXTRA)
    path.unlink()
    with pytest.raises(ArchiveError, match="not signed"):
        _client(made).candidates(EXTRA)
    path.write_bytes(before)


def test_a_changed_index_or_package_is_refused(made: synthetic.SignedArchive) -> None:
    index = made.folder / "dists" / made.suite / "main" / "binary-arm64" / "Packages.xz"
    before = index.read_bytes()
    index.write_bytes(before[:-1] + b"x")
    with pytest.raises(ArchiveError, match="index"):
        _client(made).candidates(EXTRA)
    index.write_bytes(before)
    package = made.folder / "pool" / "extra.deb"
    before = package.read_bytes()
    package.write_bytes(before + b"x")
    client = _client(made)
    with pytest.raises(ArchiveError, match="index"):
        client.fetch(client.candidates(EXTRA)[0])
    package.write_bytes(before)


def test_an_outdated_release_is_refused(tmp_path: Path) -> None:
    made = synthetic.signed_archive(tmp_path / "old")
    made.sign(valid_until="Sat, 01 Jan 2022 00:00:00 UTC")
    with pytest.raises(ArchiveError, match="no longer valid"):
        _client(made).candidates("x")


def test_a_snapshot_that_is_out_of_date_can_be_allowed(tmp_path: Path) -> None:
    made = synthetic.signed_archive(tmp_path / "snapshot")
    synthetic.deb(made.folder / "pool/htop.deb", CONTROL | {"Package": "htop"}, {})
    made.sign(valid_until="Sat, 01 Jan 2022 00:00:00 UTC")
    archive = AptArchive(
        uri=f"file://{made.folder}",
        suite=made.suite,
        keyring=made.keyring,
        check_valid_until=False,
    )
    assert ArchiveClient([archive], "arm64").candidates("htop")


def test_packages_of_backports_come_last(made: synthetic.SignedArchive, tmp_path: Path) -> None:
    backports = synthetic.signed_archive(tmp_path / "backports")
    newer = CONTROL | {"Package": EXTRA, "Version": "99"}
    synthetic.deb(backports.folder / "pool/newer.deb", newer, {})
    backports.sign(fields={"NotAutomatic": "yes", "ButAutomaticUpgrades": "yes"})
    archives = [
        AptArchive(uri=f"file://{one.folder}", suite=one.suite, keyring=one.keyring)
        for one in (backports, made)
    ]
    found = ArchiveClient(archives, "arm64").candidates(EXTRA)
    assert len(found) == 2 and found[-1].version == "99"


def test_a_release_of_the_future_is_refused(tmp_path: Path) -> None:
    made = synthetic.signed_archive(tmp_path / "new")
    made.sign(date="Sat, 01 Jan 2124 00:00:00 UTC")
    with pytest.raises(ArchiveError, match="not valid yet") as caught:
        _client(made).candidates("x")
    assert "set the clock" in (caught.value.hint or "")


def test_missing_things_have_their_own_messages(
    made: synthetic.SignedArchive, tmp_path: Path
) -> None:
    with pytest.raises(ArchiveError, match="the keyring"):
        _client(made, tmp_path / "none.gpg").candidates(EXTRA)
    archive = AptArchive(uri=f"file://{tmp_path}/none", suite="x", keyring=made.keyring)
    with pytest.raises(ArchiveError, match="no such folder"):
        ArchiveClient([archive], "arm64").candidates("x")
    archive = AptArchive(uri=f"file://{made.folder}", suite="none", keyring=made.keyring)
    with pytest.raises(ArchiveError, match="no suite none"):
        ArchiveClient([archive], "arm64").candidates("x")
    with pytest.raises(ArchiveError, match="riscv64"):
        ArchiveClient(
            [AptArchive(uri=f"file://{made.folder}", suite=made.suite, keyring=made.keyring)],
            "riscv64",
        ).candidates("x")


def test_an_unreachable_archive_is_tried_again_then_named(
    made: synthetic.SignedArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[object] = []
    monkeypatch.setattr(Retry, "sleep", lambda retry, response=None: pauses.append(retry))
    archive = AptArchive(uri="http://127.0.0.1:9", suite="x", keyring=made.keyring)
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1"):
        ArchiveClient([archive], "arm64").candidates("x")
    assert len(pauses) > 1


def test_an_armoured_keyring_will_do(made: synthetic.SignedArchive, tmp_path: Path) -> None:
    armoured = tmp_path / "key.asc"
    synthetic.gpg(made.home, "--armor", "--export", "--output", armoured)
    assert _client(made, armoured).candidates(EXTRA)


@pytest.mark.parametrize(
    ("script", "needed"),
    [("#!/bin/sh\nset -e\nexit 0\n", False), ("#!/bin/sh\nadduser x\n", True)],
)
def test_scripts_that_must_run_are_told_by_the_plan(
    tmp_path: Path, script: str, needed: bool
) -> None:
    made = synthetic.signed_archive(tmp_path / "scripts")
    synthetic.deb(made.folder / "pool/a.deb", CONTROL, {"x": b""}, {"postinst": script})
    made.sign()
    client = _client(made)
    steps = [InstallStep("", client.candidates("a"), ("a",), "")]
    if not needed:
        require_offline(steps, client)
        return
    with pytest.raises(UnusableInput, match="a's postinst") as caught:
        require_offline(steps, client)
    assert "engine: guest" in str(caught.value.hint)
