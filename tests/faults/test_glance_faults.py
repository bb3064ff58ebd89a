"""A Glance that fails, is cut off or is slow: no wrong image is active, the next run finishes."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from core.errors import KollarmError
from guestprep.publish import PublishSpec, connect, publish
from guestprep.publish.cloud import Glance
from guestprep.publish.model import OWNER_MARK
from kollarm.services.glance import EmbeddedGlance
from tests.faults.counts import MOMENTS, count
from tests.support.kill import run
from tests.support.proxy import Fault, Proxy
from tests.support.servers import free_port
from tests.support.upload import disk

SUBJECT = "Glance failing"

FAULTS = (
    Fault(status=429),
    Fault(status=500),
    Fault(status=503),
    Fault(cut_after=100_000),
    Fault(cut_answer=10),
    Fault(delay=0.05),
    Fault(),
)


@pytest.fixture
def proxy(glance: EmbeddedGlance) -> Iterator[Proxy]:
    made = Proxy(glance.port)
    yield made
    made.stop()


def test_an_upload_through_a_failing_glance(
    glance: EmbeddedGlance, proxy: Proxy, dice: random.Random, tmp_path: Path
) -> None:
    image = disk(tmp_path / "image.qcow2", 3)
    sha512 = hashlib.sha512(image.read_bytes()).hexdigest()
    url = f"http://127.0.0.1:{proxy.port}"
    entry = {"auth_type": "none", "auth": {"endpoint": url}, "image_endpoint_override": url}
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(yaml.safe_dump({"clouds": {"shaky": entry}}))
    straight: Any = connect(glance.cloud, clouds_yaml=glance.clouds_yaml)
    api = Glance(straight)
    for moment in range(max(1, MOMENTS // 3)):
        spec = PublishSpec(f"shaky-{moment}")
        proxy.faults.extend(dice.choices(FAULTS, k=dice.randint(1, 10)))
        try:
            publish(connect("shaky", clouds_yaml=clouds), image, spec)
            count(SUBJECT, "published nevertheless")
        except KollarmError as error:
            assert error.message
            count(SUBJECT, "refused with a message")
        proxy.faults.clear()
        for seen in api.find(name=spec.name):
            assert seen.hidden or seen.status != "active" or seen.hash_value == sha512
            count(SUBJECT, f"left {seen.status}{', hidden' if seen.hidden else ''}")
        publish(straight, image, spec)
        visible = [one for one in api.find(name=spec.name) if not one.hidden]
        assert [(one.status, one.hash_value) for one in visible] == [("active", sha512)]
        count(SUBJECT, "finished by the next run")
        for one in api.find(**{OWNER_MARK: spec.name}):
            api.delete(one.id)
    count(SUBJECT, "faults met", proxy.met)


def test_a_glance_that_is_killed_and_comes_back(tmp_path: Path, dice: random.Random) -> None:
    """Killed with all its workers at random moments of an upload, and started again."""
    subject = "Glance killed"
    service = EmbeddedGlance(tmp_path / "glance", free_port())
    service.start()
    image = disk(tmp_path / "image.qcow2", 60)
    sha512 = hashlib.sha512(image.read_bytes()).hexdigest()
    environ = {"OS_CLIENT_CONFIG_FILE": str(service.clouds_yaml), "OS_CLOUD": service.cloud}
    words = ("guest", "publish", image, "--unchecked", "--name")
    try:
        usual = run([*words, "usual"], environ)
        assert usual.status == 0, usual.stderr
        for moment in range(max(1, MOMENTS // 3)):
            name = f"killed-{moment}"
            with ThreadPoolExecutor(1) as pool:
                publishing = pool.submit(run, [*words, name], environ)
                time.sleep(dice.uniform(0.1, usual.seconds))
                kill(service)
                service.start()
                done = publishing.result()
            assert done.status in (0, 1) and "internal error" not in done.stderr, done.stderr
            count(subject, "published nevertheless" if done.status == 0 else "refused")
            api = Glance(connect(service.cloud, clouds_yaml=service.clouds_yaml))
            for seen in api.find(name=name):
                assert seen.hidden or seen.status != "active" or seen.hash_value == sha512
                count(subject, f"left {seen.status}{', hidden' if seen.hidden else ''}")
            finished = run([*words, name], environ)
            assert finished.status == 0, finished.stderr
            visible = [one for one in api.find(name=name) if not one.hidden]
            assert [(one.status, one.hash_value) for one in visible] == [("active", sha512)]
            count(subject, "finished by the next run")
            for one in api.find(**{OWNER_MARK: name}):
                api.delete(one.id)
    finally:
        service.stop()


def kill(service: EmbeddedGlance) -> None:
    """End a Glance and its workers without a chance to finish anything."""
    pid = service.running()
    assert pid is not None
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)
