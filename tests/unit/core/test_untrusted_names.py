"""Names from outside, and the local paths that they become."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.untrusted_names import UnsafeNameError, links_out_of, path_inside, relative_name

PARTS = st.sampled_from(["a", "b", "..", ".", "", "...", "..a", "\0", "é", " ", "-x", "~"])


@pytest.mark.parametrize("name", ["../x", "a/../../x", "a/..", "/etc/x", "", ".", "./", "a\0b"])
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(UnsafeNameError, match="an image"):
        relative_name(name, of="an image")


@pytest.mark.parametrize(
    ("name", "found"), [("./a//b/", "a/b"), ("a/./b", "a/b"), ("..a/b..", "..a/b.."), ("~", "~")]
)
def test_other_names_are_normalized(name: str, found: str) -> None:
    assert relative_name(name, of="an image") == found


@given(st.lists(PARTS, max_size=6).map("/".join) | st.text(max_size=20))
def test_no_name_leaves_its_folder(name: str) -> None:
    folder = Path("/nowhere/folder")
    try:
        path = path_inside(folder, name, of="an image")
    except UnsafeNameError:
        return
    assert path.is_relative_to(folder)
    assert ".." not in path.parts


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "out").symlink_to("/etc")
    (folder / "up").symlink_to("..")
    (folder / "within").symlink_to("deep")
    (folder / "circle").symlink_to("circle")
    for name in ("out/passwd", "out", "up/x", "circle/x"):
        with pytest.raises(UnsafeNameError):
            path_inside(folder, name, of="an overlay")
    assert path_inside(folder, "within/new", of="an overlay") == folder / "within/new"
    assert {link.name for link in links_out_of(folder)} == {"out", "up", "circle"}
