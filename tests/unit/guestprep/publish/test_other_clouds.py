"""Clouds that convert what they import, compute no digests, or are busy."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from guestprep.publish import image_file
from guestprep.publish.cloud import GlanceError
from guestprep.publish.execute import execute
from guestprep.publish.model import (
    CONTENT,
    CloudFacts,
    Method,
    PublishAction,
    PublishPlan,
    PublishSpec,
)
from guestprep.publish.pipeline import look, with_digests
from guestprep.publish.plan import decide
from tests.support.boot_sector import boot_sector, entry
from tests.support.glance_stand_in import GlanceStandIn

DIRECT = PublishSpec("guest", method=Method.GLANCE_DIRECT)
PUT = PublishSpec("guest", method=Method.PUT)
INTERNAL = "Task failed due to Internal Error"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return written(tmp_path / "disk.raw", b"a")


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(boot_sector(entry()) + content * (1 << 16))
    return path


def planned(glance: GlanceStandIn, path: Path, spec: PublishSpec) -> PublishPlan:
    facts: CloudFacts = look(glance, spec.name)
    return decide(spec, with_digests(image_file.read_facts(path), facts), facts)


def sha512(path: Path) -> str:
    return hashlib.sha512(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("glance", "spec"),
    [(GlanceStandIn(converts="qcow2"), DIRECT), (GlanceStandIn(digests=False), PUT)],
    ids=["converts", "no digests"],
)
def test_an_image_is_known_by_what_was_sent(
    glance: GlanceStandIn, spec: PublishSpec, disk: Path, tmp_path: Path
) -> None:
    record = execute(glance, planned(glance, disk, spec))
    assert record.action is PublishAction.UPLOAD
    (image,) = glance.images.values()
    assert image.properties[CONTENT] == f"sha512:{sha512(disk)}"
    assert not image.hidden
    assert planned(glance, disk, spec).action is PublishAction.KEEP
    assert execute(glance, planned(glance, disk, spec)).sent == 0
    other = written(tmp_path / "other.raw", b"b")
    assert planned(glance, other, spec).action is PublishAction.REPLACE
    execute(glance, planned(glance, other, spec))
    assert glance.uploads == 2
    assert planned(glance, other, spec).action is PublishAction.KEEP


def test_a_cloud_that_keeps_what_it_gets_needs_no_note(disk: Path) -> None:
    glance = GlanceStandIn()
    execute(glance, planned(glance, disk, DIRECT))
    (image,) = glance.images.values()
    assert CONTENT not in image.properties


def test_a_busy_clouds_import_is_tried_again(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guestprep.publish.execute.PAUSES", (0.0, 0.0))
    glance = GlanceStandIn(busy=[INTERNAL, INTERNAL])
    execute(glance, planned(glance, disk, DIRECT))
    assert glance.uploads == 3
    assert [image.status for image in glance.images.values()] == ["active"]


def test_a_refused_import_is_not_tried_again(disk: Path) -> None:
    glance = GlanceStandIn(busy=["The image has another format", INTERNAL])
    with pytest.raises(GlanceError, match="another format"):
        execute(glance, planned(glance, disk, DIRECT))
    assert glance.uploads == 1
    assert not glance.images
