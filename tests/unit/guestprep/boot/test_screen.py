"""Screens whose size a guest chose to use up this machine's memory."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from core.errors import KollarmError
from guestprep.boot.screen import ScreenReader, save


def claiming(path: Path, width: int, height: int) -> Path:
    """A PNG whose header has these sizes, and little behind it (RFC 2083)."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(1000))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
            for part in (header, data, b"IEND")
        )
    )
    return path


@pytest.mark.parametrize("size", [(4096, 2305), (20_000, 20_000), (2**31 - 1, 1)])
def test_a_huge_screen_is_not_looked_at(size: tuple[int, int], tmp_path: Path) -> None:
    picture = claiming(tmp_path / "screen.png", *size)
    with pytest.raises(KollarmError):
        ScreenReader().read(picture)
    with pytest.raises(KollarmError):
        save(picture, tmp_path / "kept.png")
    assert not (tmp_path / "kept.png").exists()


def test_a_screen_is_kept_as_it_is(tmp_path: Path) -> None:
    picture = tmp_path / "screen.png"
    Image.new("RGB", (1280, 800)).save(picture)
    assert ScreenReader().read(picture) == ""
    save(picture, tmp_path / "kept.png")
    with Image.open(tmp_path / "kept.png") as kept:
        assert kept.size == (1280, 800)
