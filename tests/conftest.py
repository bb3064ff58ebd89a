"""Real parts for tests, started on free ports with data of their own.

What is slow to make (virtual environments, first databases, bootstrapped roots)
lies in the user's cache, so that a second run of the suite is quick.
"""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from typing import Any

import docker
import pytest

from core.config.model import Registry
from guestprep.publish import connect
from kollarm.services.glance import EmbeddedGlance
from kollarm.services.registry import EmbeddedRegistry
from tests.support.servers import free_port

# A shell starts what it sends to the background with interruptions ignored, and so would be
# every process that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Bytes that are no text may be printed and logged; a worker can't send them on."""
    report = yield
    report.sections = [(name, _sendable(text)) for name, text in report.sections]
    if report.longrepr is not None and _sendable(report.longreprtext) != report.longreprtext:
        report.longrepr = _sendable(report.longreprtext)
    return report


def _sendable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRegistry]:
    """An empty registry on loopback."""
    settings = Registry(embedded=True, address=f"127.0.0.1:{free_port()}")
    service = EmbeddedRegistry(settings, tmp_path_factory.mktemp("registry"))
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def glance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedGlance]:
    """An empty Glance on loopback that asks nobody who they are."""
    service = EmbeddedGlance(tmp_path_factory.mktemp("glance"), free_port())
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedGlance]:
    """An empty Glance with a real Keystone."""
    service = EmbeddedGlance(
        tmp_path_factory.mktemp("cloud"), free_port(), keystone_port=free_port()
    )
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def connection(cloud: EmbeddedGlance) -> Any:
    """openstacksdk's connection to ``cloud``, as its administrator."""
    return connect(cloud.cloud, clouds_yaml=cloud.clouds_yaml)


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The machine's container engine."""
    client = docker.from_env()
    client.ping()
    yield client
    client.close()
