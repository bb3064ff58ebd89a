"""``scripts/release`` refuses what can't be released, and makes the same bytes twice."""

from __future__ import annotations

import datetime
import hashlib
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.version import __version__
from tests.support.packaging import apart, source

pytestmark = pytest.mark.integration


def git(checkout: Path, *words: str) -> str:
    who = ["-c", "user.name=A Tester", "-c", "user.email=tester@example.org"]
    done = subprocess.run(
        ["git", "-C", checkout, *who, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def change(checkout: Path, name: str, text: str) -> None:
    """A commit that changes a file."""
    (checkout / name).write_text(text, "utf-8")
    git(checkout, "commit", "-qam", f"change {name}")


def mark_as_tested(checkout: Path) -> None:
    """As after ``make test``."""
    stamp = checkout / ".kollarm/tests-passed"
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(git(checkout, "rev-parse", "HEAD") + "\n", "utf-8")


def dated(text: str, day: datetime.date) -> str:
    """NEWS.md with a day in its first section's heading."""
    first, rest = text.split("\n## ", 1)
    return f"{first}\n## {__version__} ({day})\n" + rest.partition("\n")[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone that can be released."""
    checkout = source(tmp_path / "checkout")
    news = (checkout / "NEWS.md").read_text("utf-8")
    today = datetime.datetime.now(datetime.UTC).date()
    change(checkout, "NEWS.md", dated(news, today))
    mark_as_tested(checkout)
    return checkout


def release(checkout: Path, target: Path, umask: int = 0o022) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "scripts/release", target], env=apart(PYTHON=sys.executable),
        umask=umask, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_same_commit_gives_the_same_bytes(checkout: Path, tmp_path: Path) -> None:
    first = release(checkout, tmp_path / "first")
    assert first.returncode == 0, first.stderr
    again = source(tmp_path / "elsewhere")
    git(again, "fetch", "-q", str(checkout), "HEAD")
    git(again, "checkout", "-q", "FETCH_HEAD")
    mark_as_tested(again)
    time.sleep(2)  # the times in archives count seconds, or two of them
    second = release(again, tmp_path / "second", umask=0o077)
    assert second.returncode == 0, second.stderr
    made = digests(tmp_path / "first")
    assert made == digests(tmp_path / "second")
    assert {Path(name).suffix for name in made} == {".gz", ".whl", ""}
    listed = (tmp_path / "first/SHA256SUMS").read_text("utf-8").split()
    assert dict(zip(listed[1::2], listed[::2], strict=True)).items() <= made.items()
    [sdist] = (tmp_path / "first").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert set(git(checkout, "ls-files").splitlines()) <= names


def uncommitted(checkout: Path) -> None:
    (checkout / "further").touch()


def undated(checkout: Path) -> None:
    text = (checkout / "NEWS.md").read_text("utf-8")
    change(checkout, "NEWS.md", text.replace("(20", "(soon, 20", 1))
    mark_as_tested(checkout)


def of_tomorrow(checkout: Path) -> None:
    text = (checkout / "NEWS.md").read_text("utf-8")
    later = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=2)
    change(checkout, "NEWS.md", dated(text, later))
    mark_as_tested(checkout)


def another_version(checkout: Path) -> None:
    text = (checkout / "debian/changelog").read_text("utf-8")
    change(checkout, "debian/changelog", text.replace(__version__, "0.0.1", 1))
    mark_as_tested(checkout)


def tagged_before(checkout: Path) -> None:
    git(checkout, "tag", f"v{__version__}", "HEAD~1")


def untested(checkout: Path) -> None:
    git(checkout, "commit", "-q", "--allow-empty", "-m", "after the tests")


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (uncommitted, "not committed"),
        (undated, "NEWS.md"),
        (of_tomorrow, "future"),
        (another_version, "debian/changelog"),
        (tagged_before, "tag"),
        (untested, "make test"),
    ],
)
def test_it_is_refused(
    spoil: Callable[[Path], None], word: str, checkout: Path, tmp_path: Path
) -> None:
    spoil(checkout)
    refused = release(checkout, tmp_path / "files")
    assert refused.returncode == 1
    faults = [line for line in refused.stderr.splitlines() if line.startswith("release: ")]
    assert len(faults) == 1
    assert word in refused.stderr
    assert not (tmp_path / "files").exists()
