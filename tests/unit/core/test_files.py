"""Files that appear whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import files


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "target"
    files.write(target, "old")
    with pytest.raises(RuntimeError), files.atomic(target) as work:
        work.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
