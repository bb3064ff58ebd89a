"""Names that try to leave the folder they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import zstandard
from hypothesis import strategies as st

from tests.support.synthetic import ar_of, tar_of

#: Out of any folder that a test can have.
UP = "../" * 40

_PARTS = st.sampled_from(
    ["a", "x.ko", "x.ko.xz", "..", ".", "", "...", "..a", "\0", "é", " ", "-x", "~", "y" * 300]
)

#: Paths as a guest, a package or an archive may have them.
NAMES = (
    st.lists(_PARTS, max_size=6).map("/".join)
    | st.lists(_PARTS, max_size=3).map(lambda parts: UP + "/".join([*parts, "x.ko"]))
    | st.text(max_size=20)
)


def deb_of(path: Path, control: str, files: Mapping[str, bytes], **info: bytes) -> Path:
    """A Debian package whose files have whatever names, which dpkg-deb would never make.

    :param info: its other control files.
    """
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.zst": zstandard.compress(tar_of({"control": control.encode(), **info})),
        "data.tar.zst": zstandard.compress(tar_of(files)),
    }
    path.write_bytes(ar_of(members))
    return path


@contextmanager
def nothing_appears(folder: Path) -> Iterator[None]:
    """See that nothing in a folder, which hostile names point to, is made or changed."""

    def state() -> dict[Path, tuple[float, bytes]]:
        return {
            path: (path.lstat().st_mtime, path.read_bytes() if path.is_file() else b"")
            for path in [folder, *folder.rglob("*")]
        }

    before = state()
    try:
        yield
    finally:
        assert state() == before
