"""An upload's cost in time, against curl's to the same Glance, and in memory."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from guestprep.publish import connect
from guestprep.publish.cloud import Glance
from kollarm.services.glance import EmbeddedGlance
from tests.bench.measure import Pair, Samples, at_least, at_most, measure
from tests.support.servers import free_port
from tests.support.upload import disk, upload

PAIRS = 5


@contextmanager
def cloud(folder: Path) -> Iterator[tuple[EmbeddedGlance, Glance]]:
    """A Glance with a real Keystone, and its API for whoever cleans up."""
    service = EmbeddedGlance(folder / "cloud", free_port(), keystone_port=free_port())
    service.start()
    try:
        yield service, Glance(connect(service.cloud, clouds_yaml=service.clouds_yaml))
    finally:
        service.stop()


def curls(service: EmbeddedGlance, api: Glance, image: Path) -> float:
    """Seconds of ``curl -T`` into a record that is there: neither hashed nor checked."""
    attributes = {"name": "curl", "disk_format": "qcow2", "container_format": "bare"}
    record = api.create(attributes, {}, hidden=True)
    started = time.monotonic()
    subprocess.run(
        ["curl", "-sSf", "--noproxy", "*", "-T", image,
         "-H", f"X-Auth-Token: {api.connection.session.get_token()}",
         "-H", "Content-Type: application/octet-stream",
         f"{service.url}/v2/images/{record.id}/file"],
        check=True,
    )  # fmt: skip
    seconds = time.monotonic() - started
    api.delete(record.id)
    return seconds


@measure(
    compared="speed of `kollarm guest publish` against `curl -T` to the same Glance, 512 MiB",
    goal=at_least(0.95),
)
def upload_speed(folder: Path) -> Samples:
    """Hashing, checking and naming cost next to nothing beside the sending itself."""
    image = disk(folder / "image.qcow2", 512)
    with cloud(folder) as (service, api):
        curls(service, api, image)  # the first one meets a Glance that has done nothing yet
        for _ in range(PAIRS):
            seconds = upload(service, api, image).seconds
            yield Pair(512 / seconds, 512 / curls(service, api, image))


@measure(
    compared="peak memory of `kollarm guest publish`, 64 MiB and 1 GiB",
    goal=at_most(80),
    unit="MiB",
)
def upload_memory(folder: Path) -> Samples:
    """It doesn't grow with the image."""
    with cloud(folder) as (service, api):
        for mebibytes in (64, 1024):
            image = disk(folder / f"{mebibytes}.qcow2", mebibytes)
            yield upload(service, api, image).memory
            image.unlink()
