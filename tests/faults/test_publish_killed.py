"""Publishing, killed at any moment: no wrong image is ever active, and the next run finishes."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest

from guestprep.publish import connect
from guestprep.publish.cloud import Glance
from guestprep.publish.model import OWNER_MARK
from kollarm.services.glance import EmbeddedGlance
from tests.faults.counts import MOMENTS, count
from tests.support.kill import Moments, run
from tests.support.upload import disk

SUBJECT = "publish killed"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return disk(tmp_path_factory.mktemp("image") / "guest.qcow2", 120)


@pytest.fixture(scope="module")
def environ(glance: EmbeddedGlance) -> dict[str, str]:
    return {"OS_CLIENT_CONFIG_FILE": str(glance.clouds_yaml), "OS_CLOUD": glance.cloud}


@pytest.fixture(scope="module")
def api(glance: EmbeddedGlance) -> Glance:
    connection: Any = connect(glance.cloud, clouds_yaml=glance.clouds_yaml)
    return Glance(connection)


def words(image: Path, name: str) -> list[str | Path]:
    return ["guest", "publish", image, "--unchecked", "--name", name]


def visible(api: Glance, name: str) -> list[Any]:
    """What others see under the name."""
    return [one for one in api.find(name=name) if not one.hidden]


def test_killed_at_random_moments(
    image: Path, environ: dict[str, str], api: Glance, dice: random.Random, tmp_path: Path
) -> None:
    sha512 = hashlib.sha512(image.read_bytes()).hexdigest()
    usual = run(words(image, "usual"), environ)
    assert usual.status == 0, usual.stderr
    moments = Moments(MOMENTS, dice, usual)
    for moment, after, number in moments:
        name = f"guest-{moment}"
        ended = run(words(image, name), environ, after=after, number=number)
        count(SUBJECT, moments.ended(number, ended))
        for seen in visible(api, name):
            if seen.status == "active":
                assert (seen.size, seen.hash_value) == (image.stat().st_size, sha512)
                count(SUBJECT, "already active and right")
        finished = run(words(image, name), environ)
        assert finished.status == 0, finished.stderr
        [seen] = visible(api, name)
        assert (seen.status, seen.hash_value) == ("active", sha512)
        left = [one for one in api.find(**{OWNER_MARK: name}) if one.status != "active"]
        assert not left, left
        moments.whole(finished)
        count(SUBJECT, "finished by the next run")
        api.delete(seen.id)
