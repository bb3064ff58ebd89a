"""Files that a deployment writes."""

from __future__ import annotations

from pathlib import Path

from deploy.changes import FileChange


def test_a_file_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    change = FileChange(tmp_path / "d/e/f.yml", "e/f.yml", None, "x: 1\n")
    change.apply()
    assert change.path.stat().st_mode & 0o777 == 0o600
