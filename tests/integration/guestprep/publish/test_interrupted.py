"""Killed, interrupted, cut off: what a publishing leaves in Glance."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.errors import KollarmError
from guestprep.publish import (
    Method,
    PublishSpec,
    execute,
    plan,
    publish,
)
from guestprep.publish.cloud import Glance
from guestprep.publish.model import RUN_MARK, PublishAction
from kollarm.services.glance import EmbeddedGlance
from tests.support.publishing import PAUSES, all_of, eventually

pytestmark = pytest.mark.integration


def publisher(cloud: EmbeddedGlance, image: Path, spec: PublishSpec) -> subprocess.Popen[bytes]:
    """Another process that publishes."""
    code = (
        "from pathlib import Path; from guestprep.publish import *; "
        f"import guestprep.publish.execute as sending; sending.PAUSES = {PAUSES}; "
        f"c = connect({cloud.cloud!r}, clouds_yaml=Path({str(cloud.clouds_yaml)!r})); "
        f"publish(c, Path({str(image)!r}), PublishSpec({spec.name!r}, os_distro='ubuntu', "
        f"os_version='18.04', os_admin_user='ubuntu', method=Method({spec.method.value!r})))"
    )
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)


def test_a_killed_upload_is_cleaned_up_by_the_next_run(
    connection: Any, cloud: EmbeddedGlance, api: Glance, images: dict[str, Path], spec: PublishSpec
) -> None:
    run = publisher(cloud, images["large"], spec)
    eventually(lambda: [i for i in all_of(api, spec) if i.status == "saving"])
    # Nobody sees it, and another run leaves it alone.
    assert connection.image.find_image(spec.name) is None or all_of(api, spec)[0].hidden
    with pytest.raises(KollarmError, match="another run"):
        publish(connection, images["first"], spec)
    run.send_signal(signal.SIGKILL)
    run.wait()
    (left,) = all_of(api, spec)
    before = psutil.Process().io_counters().read_chars
    record = publish(connection, images["large"], spec)
    read = psutil.Process().io_counters().read_chars - before
    assert read < 1.5 * record.size, "hashing must not read the file a second time"
    assert record.removed == (left.id,)
    assert [image.id for image in all_of(api, spec)] == [record.image_id]
    assert record.status == "active"


def test_a_killed_import_is_cleaned_up_by_the_next_run(
    connection: Any, cloud: EmbeddedGlance, api: Glance, images: dict[str, Path], spec: PublishSpec
) -> None:
    direct = replace(spec, method=Method.GLANCE_DIRECT)
    run = publisher(cloud, images["large"], direct)
    eventually(lambda: [i for i in all_of(api, spec) if i.status == "uploading"])
    run.send_signal(signal.SIGKILL)
    run.wait()
    (left,) = all_of(api, spec)
    record = publish(connection, images["first"], direct)
    assert record.removed == (left.id,)
    assert [image.id for image in all_of(api, spec)] == [record.image_id]


def test_a_glance_that_dies_and_comes_back_later_is_cleaned_up(
    connection: Any, cloud: EmbeddedGlance, api: Glance, images: dict[str, Path], spec: PublishSpec
) -> None:
    old = publish(connection, images["first"], spec)
    run = publisher(cloud, images["large"], spec)
    eventually(lambda: [i for i in all_of(api, spec) if i.status == "saving"])
    master = cloud.running()
    assert master
    os.killpg(master, signal.SIGKILL)
    assert run.wait() != 0
    cloud.start()
    # Nobody told Glance that the upload ended: the image is "saving" for ever.
    assert [i.status for i in all_of(api, spec) if i.id != old.image_id] == ["saving"]
    assert publish(connection, images["first"], spec).action is PublishAction.KEEP
    assert [image.id for image in all_of(api, spec)] == [old.image_id]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_upload_leaves_nothing(
    cloud: EmbeddedGlance,
    api: Glance,
    connection: Any,
    images: dict[str, Path],
    spec: PublishSpec,
    number: signal.Signals,
) -> None:
    old = publish(connection, images["first"], spec)
    run = publisher(cloud, images["large"], spec)
    eventually(lambda: [i for i in all_of(api, spec) if i.status == "saving"])
    run.send_signal(number)
    assert run.wait() != 0
    if number == signal.SIGINT:
        assert [image.id for image in all_of(api, spec)] == [old.image_id]
    assert api.get(old.image_id).status == "active"
    assert publish(connection, images["first"], spec).action is PublishAction.KEEP
    assert [image.id for image in all_of(api, spec)] == [old.image_id]


def test_a_server_that_dies_during_the_upload_is_tried_again(
    connection: Any,
    cloud: EmbeddedGlance,
    api: Glance,
    images: dict[str, Path],
    spec: PublishSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(execute, "PAUSES", PAUSES)
    master = cloud.running()
    assert master

    def kill() -> None:
        eventually(lambda: [i for i in all_of(api, spec) if i.status == "saving"])
        psutil.Process(master).children()[0].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    record = publish(connection, images["large"], spec)
    killer.join()
    assert record.status == "active"
    assert [image.id for image in all_of(api, spec)] == [record.image_id]


def test_a_run_killed_before_naming_is_finished_without_upload(
    connection: Any, api: Glance, images: dict[str, Path], spec: PublishSpec
) -> None:
    old = publish(connection, images["first"], spec)
    made = plan(connection, images["second"], spec)
    attributes: dict[str, object] = {**made.attributes, "tags": []}
    left = api.create(attributes, {**made.properties, RUN_MARK: "a.b.1.2"}, hidden=True)
    api.send(f"/images/{left.id}/file", images["second"].read_bytes(), 60)
    record = publish(connection, images["second"], spec)
    assert (record.action, record.image_id, record.sent) == (PublishAction.FINISH, left.id, 0)
    assert record.retired == (old.image_id,)
    assert RUN_MARK not in record.properties
