"""What is remembered of signed indices."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from core.attestation.newest import NewestIndices, SeenIndex
from core.errors import KollarmError

OLD, NEW = (
    SeenIndex("sha256:a", "2026-01-01T00:00:00Z"),
    SeenIndex("sha256:b", "2026-02-01T00:00:00Z"),
)
FUTURE = SeenIndex("sha256:c", "2999-01-01T00:00:00Z")


def test_the_newest_is_remembered_by_the_next_run(tmp_path: Path) -> None:
    newest = NewestIndices(tmp_path / "state")
    assert newest.newer("x", OLD) is None
    newest.note("x", NEW)
    newest.note("x", OLD)
    again = NewestIndices(tmp_path / "state")
    assert again.newer("x", OLD) == NEW
    assert again.newer("x", NEW) is None and again.newer("y", OLD) is None
    assert stat.S_IMODE(again.path.stat().st_mode) == 0o600


def test_several_statements_about_one_index_count(tmp_path: Path) -> None:
    newest = NewestIndices(tmp_path)
    newest.note("x", NEW)
    assert newest.newer("x", SeenIndex(NEW.digest, OLD.finished)) is None


def test_a_date_in_the_future_spoils_nothing(tmp_path: Path) -> None:
    newest = NewestIndices(tmp_path)
    newest.note("x", FUTURE)
    assert newest.newer("x", NEW) is None
    newest.note("x", FUTURE, own=True)
    newest.note("x", NEW, own=True)
    assert newest.newer("x", NEW) is None, "what this machine wrote last is the newest"


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"x": 1}', b'{"x": {}}', b"\xff"])
def test_a_damaged_memory_is_named(tmp_path: Path, content: bytes) -> None:
    NewestIndices(tmp_path).path.write_bytes(content)
    with pytest.raises(KollarmError, match="newest-indices"):
        NewestIndices(tmp_path)
