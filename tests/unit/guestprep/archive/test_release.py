"""Which Release file is taken: how it is signed, whose it is, and how old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from debian.deb822 import Release

from guestprep.archive.client import check_suite, read_release
from guestprep.archive.fetch import ArchiveError, Fetcher
from guestprep.archive.newest import newest
from guestprep.archive.signature import verified
from tests.support import synthetic

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> synthetic.SignedArchive:
    made = synthetic.signed_archive(tmp_path_factory.mktemp("archive"), "noble")
    made.sign()
    return made


@pytest.fixture(scope="module")
def rsa(tmp_path_factory: pytest.TempPathFactory) -> synthetic.SignedArchive:
    """An archive whose key can sign with SHA-1."""
    made = synthetic.signed_archive(tmp_path_factory.mktemp("rsa"), "noble", algorithm="rsa2048")
    made.sign()
    return made


def read(archive: synthetic.SignedArchive) -> Release:
    return read_release(Fetcher(f"file://{archive.folder}"), archive.suite, archive.keyring)


def date(days: float) -> str:
    return format_datetime(NOW - timedelta(days=days), usegmt=True)


@pytest.mark.parametrize("algorithm", ["SHA1", "RIPEMD160"])
def test_a_weak_hash_is_refused(rsa: synthetic.SignedArchive, algorithm: str) -> None:
    rsa.sign(options=["--digest-algo", algorithm, "--allow-weak-digest-algos"])
    with pytest.raises(ArchiveError, match="weak hash"):
        read(rsa)
    rsa.sign(options=["--digest-algo", "SHA256"])
    assert read(rsa)["Suite"] == "noble"


def test_what_is_around_a_signed_message_is_no_part_of_it(
    archive: synthetic.SignedArchive, tmp_path: Path
) -> None:
    """Text before and after it is dropped; a second message is refused, whoever signed it."""
    signed = (archive.folder / "dists" / archive.suite / "InRelease").read_bytes()
    for content in (b"Suite: evil\n\n" + signed, signed + b"\nSuite: evil\n"):
        assert "evil" not in verified(content, None, archive.keyring, "the list").text
    other = synthetic.signed_archive(tmp_path / "other", "evil")
    other.sign()
    foreign = (other.folder / "dists" / "evil" / "InRelease").read_bytes()
    for content in (signed + signed, signed + foreign, foreign + signed):
        with pytest.raises(ArchiveError, match="one signed message"):
            verified(content, None, archive.keyring, "the list")


def test_a_good_signature_of_an_expired_key_counts_for_nothing(
    rsa: synthetic.SignedArchive, tmp_path: Path
) -> None:
    """An expired key's strong signature doesn't make the other key's weak one any better."""
    then = ["--faked-system-time", "20200101T000000"]
    old = synthetic.signed_archive(tmp_path / "old", "noble", expire="1y", options=then)
    signed = tmp_path / "signed"
    signed.write_text("text\n")
    synthetic.gpg(old.home, *then, "--detach-sign", "--output", tmp_path / "one", signed)
    weak = ["--digest-algo", "SHA1", "--allow-weak-digest-algos"]
    synthetic.gpg(rsa.home, *weak, "--detach-sign", "--output", tmp_path / "two", signed)
    both = (tmp_path / "one").read_bytes() + (tmp_path / "two").read_bytes()
    keyring = tmp_path / "both.gpg"
    keyring.write_bytes(old.keyring.read_bytes() + rsa.keyring.read_bytes())
    with pytest.raises(ArchiveError, match="expired"):
        verified(signed.read_bytes(), (tmp_path / "one").read_bytes(), old.keyring, "the list")
    with pytest.raises(ArchiveError, match="weak hash"):
        verified(signed.read_bytes(), both, keyring, "the list")


@pytest.mark.parametrize(
    ("asked", "suite", "codename"),
    [
        ("bookworm", "oldstable", "bookworm"),
        ("oldstable", "oldstable", "bookworm"),
        ("bookworm-security", "oldstable-security", "bookworm-security"),
        ("bookworm-backports", "stable-backports", "bookworm-backports"),
        ("jammy", "jammy", "jammy"),
        ("jammy-updates", "jammy-updates", "jammy"),
        ("jammy-security", "jammy-security", "jammy"),
        ("stretch/updates", "oldoldstable", "stretch"),
        ("experimental", "experimental", "rc-buggy"),
        ("devel", "resolute", "resolute"),
        ("anything", "", ""),
        ("stable", "stable", ""),
        ("nodistro", "", "nodistro"),
    ],
)
def test_the_suite_that_was_asked_for(asked: str, suite: str, codename: str) -> None:
    check_suite(_named(suite, codename), asked, "x")


@pytest.mark.parametrize(
    ("asked", "suite", "codename"),
    [
        ("noble", "jammy", "jammy"),
        ("jammy", "jammy-updates", "jammy"),
        ("jammy-updates", "jammy", "jammy"),
        ("jammy-security", "jammy-updates", "jammy"),
        ("trixie", "oldstable", "bookworm"),
        ("bookworm", "oldstable-updates", "bookworm-updates"),
        ("bookworm", "unstable", ""),
    ],
)
def test_another_suites_release_is_refused(asked: str, suite: str, codename: str) -> None:
    with pytest.raises(ArchiveError, match=f"not of {asked}"):
        check_suite(_named(suite, codename), asked, "x")


def _named(suite: str, codename: str) -> Release:
    fields = {"Suite": suite, "Codename": codename}
    return Release([f"{key}: {value}" for key, value in fields.items() if value])


def test_an_old_release_of_another_suite_is_refused(archive: synthetic.SignedArchive) -> None:
    archive.sign(names={"Suite": "jammy", "Codename": "jammy"})
    with pytest.raises(ArchiveError, match="Release file of jammy, not of noble"):
        read(archive)


def test_an_older_release_is_never_used_again(
    archive: synthetic.SignedArchive, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = date(3), date(1)
    archive.sign(date=old)
    assert read(archive)["Date"] == old
    archive.sign(date=new)
    assert read(archive)["Date"] == new
    archive.sign(date=old)
    assert read(archive)["Date"] == new
    warning = capsys.readouterr().err
    assert "warning" in warning and "older" in warning
    path = Path(warning.replace("\n", "").rpartition("remove ")[2].strip())
    path.unlink()  # as the warning says
    assert read(archive)["Date"] == old


def test_a_newer_release_that_has_expired_is_refused(archive: synthetic.SignedArchive) -> None:
    archive.sign(date=date(2), valid_until=date(1))
    with pytest.raises(ArchiveError, match="no longer valid"):
        read(archive)
    archive.sign(date=date(3))
    with pytest.raises(ArchiveError, match="no longer valid"):
        read(archive)


def test_what_was_seen_at_another_address_or_by_another_key_counts_not(
    archive: synthetic.SignedArchive, rsa: synthetic.SignedArchive
) -> None:
    def text(where: str, keyring: Path, made: datetime | None) -> str:
        return newest(where, keyring, str(made), made)

    old, new = NOW - timedelta(days=2), NOW - timedelta(days=1)
    assert text("a", archive.keyring, new) == str(new)
    assert text("a", archive.keyring, old) == str(new)
    assert text("a", archive.keyring, None) == str(new)
    assert text("b", archive.keyring, old) == str(old)
    assert text("a", rsa.keyring, old) == str(old)


def test_a_date_of_the_future_is_not_remembered(archive: synthetic.SignedArchive) -> None:
    later = NOW + timedelta(days=400)
    assert newest("a", archive.keyring, "later", later) == "later"
    assert newest("a", archive.keyring, "now", NOW) == "now"


def test_a_damaged_memory_is_none(archive: synthetic.SignedArchive, tmp_path: Path) -> None:
    newest("a", archive.keyring, "now", NOW)
    [path] = (tmp_path / "cache" / "newest").iterdir()
    for damage in ("", "[]", '{"made": "x", "text": ""}', '{"made": 1}'):
        path.write_text(damage)
        assert newest("a", archive.keyring, "old", NOW - timedelta(days=1)) == "old"
        path.unlink()
