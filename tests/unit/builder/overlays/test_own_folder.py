"""An overlay neither reads nor writes outside of its own folder, whatever names it uses."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.overlays import settings
from builder.overlays.model import choose, read
from builder.overlays.own_folder import faults_of_tree_patch
from core.errors import ConfigError
from tests.support import hostile_overlays

PARTS = st.sampled_from(
    ["..", ".", "", "a", "plain", "link", "within", "\0", "-x", "~", "\u2215", "..\\..", "{secret}"]
)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    place = folder / "secret"
    place.write_text(hostile_overlays.SECRET)
    return place


def test_an_overlay_in_order_is_read(tmp_path: Path) -> None:
    folder = hostile_overlays.make(tmp_path)
    (folder / "files" / "link").symlink_to("plain")
    hostile_overlays.named_files("link")(folder, tmp_path)
    assert read(folder).context_files() == {"cron": {"overlays/hostile/link": b"plain"}}


@pytest.mark.parametrize("kind", hostile_overlays.KINDS)
def test_nothing_outside_is_read(kind: str, tmp_path: Path, secret: Path) -> None:
    folder = hostile_overlays.make(tmp_path / "overlays")
    hostile_overlays.KINDS[kind](folder, secret)
    with pytest.raises(ConfigError) as caught:
        choose(["hostile"], [tmp_path / "overlays"])
    assert caught.value.faults
    assert all(str(folder) in fault.where for fault in caught.value.faults)
    assert hostile_overlays.SECRET not in f"{caught.value} {caught.value.details}"


@hypothesis.settings(max_examples=200)
@given(st.lists(PARTS, min_size=1, max_size=6))
def test_no_name_reaches_the_secret(parts: list[str]) -> None:
    name = "/".join(parts)
    with TemporaryDirectory() as scratch:
        root = Path(scratch)
        (root / "secret").write_text(hostile_overlays.SECRET)
        for spoil in (hostile_overlays.named_files(name), hostile_overlays.named_patch(name)):
            folder = hostile_overlays.make(root / "overlays" / str(id(spoil)))
            (folder / "files" / "within").symlink_to(".")
            spoil(folder, root / "secret")
            try:
                overlay = read(folder)
                contents = [
                    *overlay.context_files().values(),
                    *overlay.image_patches().values(),
                ]
            except ConfigError as error:
                assert hostile_overlays.SECRET not in str(error.details)
                continue
            for files in contents:
                assert hostile_overlays.SECRET.encode() not in files.values()
                assert all(".." not in place.split("/") for place in files)


def test_halves_of_two_overlays_make_no_local_source(tmp_path: Path, secret: Path) -> None:
    first = hostile_overlays.make(tmp_path / "overlays", "a")
    second = hostile_overlays.make(tmp_path / "overlays", "b")
    (first / "kolla-build.conf").write_text("[cron]\ntype = local\nlocation = files/plain\n")
    (second / "kolla-build.conf").write_text(f"[cron]\ntype = url\nlocation = https://x/{secret}\n")
    (second / "overlay.yml").write_text(
        "description: x\nwhy: y\nreplaces: [cron.type, cron.location]\n"
    )
    merged = settings.merge(choose(["a", "b"], [tmp_path / "overlays"]))
    assert merged["cron"]["type"] == "url"
    (second / "overlay.yml").write_text("description: x\nwhy: y\nreplaces: [cron.location]\n")
    with pytest.raises(ConfigError):
        settings.merge(choose(["a", "b"], [tmp_path / "overlays"]))


@given(st.text("01267x \t+-", max_size=8), st.sampled_from(["new file mode ", "new mode "]))
def test_only_plain_files_come_by_a_patch(mode: str, word: str) -> None:
    found = list(faults_of_tree_patch(f"diff --git a/x b/x\n{word}{mode}\n", "x"))
    assert bool(found) == (mode.strip() not in ("100644", "100755"))
