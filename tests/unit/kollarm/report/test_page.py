"""The report: everything of a run is on it, and nothing on it can act or fetch."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from builder.record import State
from core.config.model import Config, Guest
from core.errors import KollarmError
from kollarm.earlier_builds import EarlierBuilds, note_builds
from kollarm.report import write, write_consoles, write_deployment, write_failed
from kollarm.report.graph import draw
from kollarm.report.page import containers, page
from kollarm.report.screens import used_part
from kollarm.report.view import LONGEST, RunFailure, containers_view
from kollarm.report.write import PARTS, save
from kollarm.run_images import ImagesRecord, RunPart
from tests.support.html import Document
from tests.support.report_records import (
    DIGEST,
    HOSTILE,
    HOSTS,
    PARENTS,
    consoles,
    deployment,
    diff,
    parts,
    record,
)

GUEST = Guest.model_validate({"name": "g", "source": {"path": "x.qcow2", "sha256": "0" * 64}})


@pytest.fixture
def html(tmp_path: Path) -> str:
    return page(parts(tmp_path)[:3])


def test_what_was_done_is_shown(html: str) -> None:
    text = Document(html).text
    for expected in (
        *PARENTS,
        "x86_64 · kept · 77.2 MiB",
        "aarch64 · built · 77.2 MiB · 1 min 15 s",
        DIGEST,
        "registry.example:5000/kolla/cron:2026.1",
        "changes by overlays (x86_64)",
        "RUN new aarch64",
        "could not be compared",
        "install linux-modules-extra",
        "the initramfs has virtio_gpu",
        "ubuntu-18.04-arm64 in mycloud",
        "3f6c0ea8-7d58-4fd9-9a3a-0f6f6a6f9c11",
        "hw_video_model",
        "left out: x",
    ):
        assert expected in text, expected


def test_screenshots_are_in_the_page_and_logs_beside_it(html: str) -> None:
    attributes = Document(html).attributes
    pictures = [value for name, value in attributes if name == "src"]
    assert len(pictures) == 4, "a part and the whole of each screen"
    assert all(value.startswith("data:image/png;base64,iVBOR") for value in pictures)
    links = [value for name, value in attributes if name == "href" and value != "data:,"]
    assert links == ["logs/cron-x86_64.log", "logs/cron-aarch64.log"]


def test_nothing_can_act_or_be_fetched(html: str) -> None:
    document = Document(html)
    assert HOSTILE in document.text
    assert "script" not in document.tags
    assert document.tags.count("img") == 4
    assert not [name for name, _ in document.attributes if name.startswith("on")]
    policies = [value for name, value in document.attributes if name == "content"]
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in policies
    assert "http://" not in html and "https://" not in html and "url(" not in html


def test_images_stand_below_their_parents_and_do_not_overlap(tmp_path: Path) -> None:
    graph = draw(record(tmp_path).build.images)
    assert [box.name for box in graph.boxes] == [
        "base", "cron", "openstack-base", "keystone-base", "keystone", "memcached",
    ]  # fmt: skip
    depth = {box.name: box.x for box in graph.boxes}
    for name, parent in PARENTS.items():
        assert parent is None or depth[name] > depth[parent]
    edges = [(box.y, box.y + box.height) for box in graph.boxes]
    assert all(below[0] > above[1] for above, below in itertools.pairwise(edges))
    assert len(graph.links) == len(PARENTS) - 1
    assert graph.height == edges[-1][1]


def test_a_graph_of_nothing() -> None:
    assert draw([]).boxes == ()


def test_an_endless_diff_is_cut(tmp_path: Path) -> None:
    shown = containers_view(
        record(tmp_path).build,
        folder=tmp_path,
        diff=lambda image, architecture: "+line\n" * (LONGEST + 5),
    )
    lines = shown.images[0].diffs[0].lines
    assert len(lines) == LONGEST + 1
    assert lines[-1] == ("hunk", "… 5 more lines")


def test_consoles_alone_are_a_page_until_images_are_made(
    tmp_path: Path,
) -> None:
    path = write_consoles(Config(release="2026.1", state_dir=tmp_path), consoles())
    assert {one.stat().st_mode & 0o777 for one in (path, *tmp_path.glob("report/*"))} == {0o600}
    document = Document(path.read_text())
    assert document.tags.count("h1") == 1 and document.tags.count("img") == 1
    for expected in ("The cloud's consoles", "No valid host was found.", "add one", HOSTILE):
        assert expected in document.text, expected


def test_a_deployment_shows_hosts_and_stages(tmp_path: Path) -> None:
    hosts = {name: host.model_dump(mode="json") for name, host in HOSTS.items()}
    config = Config.model_validate(
        {"release": "2026.1", "registry": {"address": "r:5000"}}
        | {"deploy": {"hosts": hosts, "vips": {"internal": "10.0.0.250"}}}
    ).model_copy(update={"state_dir": tmp_path})
    document = Document(write_deployment(config, deployment()).read_text())
    for expected in (
        "aarch64: compute",
        "kolla-ansible 22.2.0",
        "done by an earlier run: prechecks",
        "1 min 15 s",
        "10 min 00 s",
        "96 ok, 14 changed",
        HOSTILE,
    ):
        assert expected in document.text, expected


def test_one_page_shows_the_last_of_each_kind_of_run(tmp_path: Path) -> None:
    config = Config(release="2026.1", state_dir=tmp_path)
    earlier = write_consoles(config, consoles()).read_text()
    path = write_consoles(config, {})
    assert "No valid host was found." in earlier
    assert "No valid host was found." not in path.read_text()
    for name, part in zip(PARTS, parts(tmp_path), strict=True):
        save(tmp_path, name, part)
    write_consoles(config, consoles())
    text = Document(path.read_text()).text
    assert text.index("Container images") < text.index("The cloud's consoles")


def test_a_part_that_another_version_kept_is_left_out(tmp_path: Path) -> None:
    config = Config(release="2026.1", state_dir=tmp_path)
    kept = tmp_path / "report" / "containers.json"
    kept.parent.mkdir()
    kept.write_text('{"html": "old"}')
    assert "old" not in write_consoles(config, consoles()).read_text()


#: A byte that isn't text, and what a terminal or a browser would take for orders.
UNTEXT = "18.04\udcff\ud800\x1b]52;c;AAAA\x07\x9b2J\u202e"


def of_guests(folder: Path) -> ImagesRecord:
    """A run without container images, whose differences only a Kolla release can tell."""
    whole = record(folder)
    return replace(whole, build=replace(whole.build, images=()))


def of_untext(folder: Path) -> ImagesRecord:
    whole = of_guests(folder)
    (guest,) = whole.guests
    prepared = replace(guest.prepared, release=UNTEXT, source=UNTEXT, name=UNTEXT)
    return replace(whole, guests=(replace(guest, name=UNTEXT, prepared=prepared),))


def test_what_is_not_text_is_shown_as_escapes(tmp_path: Path) -> None:
    config = Config(release="2026.1", state_dir=tmp_path)
    error = KollarmError(UNTEXT, hint=UNTEXT, details=UNTEXT)
    partial = of_untext(tmp_path)
    for path in (write(config, partial), write_failed(config, partial, error)):
        assert path is not None
        text = path.read_text("utf-8")
        assert "18.04\\xff\\ud800\\x1b]52" in text
        assert all(sign == "\n" or sign.isprintable() for sign in text)


@pytest.mark.parametrize(
    "second", [KollarmError("full"), OSError("full"), UnicodeError("x"), TypeError("a defect")]
)
def test_an_error_of_the_report_never_hides_the_runs(
    second: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise second

    monkeypatch.setattr("kollarm.report.page.PackageLoader", fails)
    config = Config(release="2026.1", state_dir=tmp_path)
    assert write_failed(config, of_guests(tmp_path), KollarmError("the run's own")) is None


def test_a_kept_image_shows_the_run_that_built_it(tmp_path: Path) -> None:
    config = Config(release="2026.1", state_dir=tmp_path)
    whole = record(tmp_path)
    rows = [replace(row, started="2026-11-26T14:03:07.123+00:00") for row in whole.build.images]
    note_builds(config, replace(whole.build, images=tuple(rows)))
    kept = [replace(row, state=State.KEPT, seconds=0.0, log=None) for row in rows]
    earlier = note_builds(config, replace(whole.build, images=tuple(kept)))
    shown = containers_view(
        replace(whole.build, images=tuple(kept)),
        folder=tmp_path,
        diff=diff,
        earlier=earlier.completed,
    )
    text = Document(page([containers(shown, "today")])).text
    assert text.count("built by an earlier run on 2026-11-26 14:03 UTC in 1 min 15 s") == 2
    [cron] = [image for image in shown.images if image.name == "cron"]
    assert [name for name, _ in cron.logs] == ["x86_64", "aarch64"]
    other = replace(kept[2], digest="sha256:" + "0" * 64)
    assert earlier.completed(other) == other, "another image under the same tag"


def test_a_damaged_memory_of_builds_is_begun_again(tmp_path: Path) -> None:
    whole = record(tmp_path).build
    memory = EarlierBuilds(tmp_path / "builds.json")
    memory.note(whole.images)
    for content in ("", "[]", '{"x": 1}', memory.path.read_text().replace("75.0", "nan")):
        memory.path.write_text(content)
        again = EarlierBuilds(memory.path)
        row = replace(whole.images[2], state=State.KEPT)
        assert again.completed(row).seconds in (0.0, row.seconds)
        again.note(whole.images)


def test_a_run_keeps_what_an_earlier_one_did_of_the_rest(tmp_path: Path) -> None:
    for name, part in zip(PARTS, parts(tmp_path), strict=True):
        save(tmp_path, name, replace(part, when="yesterday"))
    guest = Config(release="2026.1", state_dir=tmp_path, guests=[GUEST])
    partial = replace(of_guests(tmp_path), parts=(RunPart.BUILD,), guests=())
    text = Document(write(guest, partial, RunFailure("broken")).read_text()).text
    assert "aarch64 · kept" in text, "the images of the run before"
    assert "ubuntu-18.04-arm64" in text and "left out: publishing" in text
    assert text.count("(yesterday)") == 4
    text = Document(write(guest, partial).read_text()).text
    assert "aarch64 · kept" not in text and "ubuntu-18.04-arm64" in text
    without = Config(release="2026.1", state_dir=tmp_path)
    assert "ubuntu-18.04-arm64" not in Document(write(without, partial).read_text()).text


@pytest.mark.parametrize(
    ("drawn", "part"),
    [
        (None, None),
        ((100, 50, 200, 60), (84, 34, 217, 77)),
        ((0, 0, 30, 10), (0, 0, 47, 27)),
        ((5, 5, 630, 390), None),
    ],
)
def test_a_screen_is_cropped_to_what_is_on_it(
    drawn: tuple[int, ...] | None, part: tuple[int, ...] | None
) -> None:
    screen = Image.new("RGB", (640, 400))
    if drawn:
        ImageDraw.Draw(screen).rectangle(drawn, outline=(170, 170, 170))
    assert used_part(screen) == (part or (0, 0, 640, 400))
