"""What is remembered of the images that were built here."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from builder.built_images import BuiltImages
from core.errors import KollarmError


def test_the_last_image_under_a_tag_counts(tmp_path: Path) -> None:
    built = BuiltImages(tmp_path / "state")
    built.note("r:5000/kolla/cron:t-aarch64", digest="sha256:a", engine_id="sha256:1")
    built.note("r:5000/kolla/cron:t-x86_64", digest="sha256:b", engine_id="sha256:2")
    built.note("r:5000/kolla/cron:t-aarch64", digest="sha256:c", engine_id="sha256:3")
    again = BuiltImages(tmp_path / "state")
    assert stat.S_IMODE(again.path.stat().st_mode) == 0o600
    pushed = [one for one in "abc" if again.has_pushed("r:5000/kolla/cron", f"sha256:{one}")]
    assert pushed == ["b", "c"]
    assert not again.has_pushed("r:5000/kolla/keystone", "sha256:b")
    assert [one for one in "123" if again.has_built(f"sha256:{one}")] == ["2", "3"]


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"x": 1}', b'{"x": {}}', b"\xff"])
def test_a_damaged_memory_is_named(tmp_path: Path, content: bytes) -> None:
    BuiltImages(tmp_path).path.write_bytes(content)
    with pytest.raises(KollarmError, match="built-images"):
        BuiltImages(tmp_path)
