"""Starting and stopping the small cloud, and its status."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import yaml

from core import files, progress
from core.errors import CommandError
from guestprep.publish import connect
from kollarm.services import daemon, glance_files
from kollarm.services.daemon import Daemon
from kollarm.services.glance import EmbeddedGlance
from testbed.cloud import (
    backends,
    certificates,
    database,
    nova_config,
    nova_services,
    service_catalog,
    software,
)
from testbed.cloud.layout import ARM_HOST, X86_HOST, CloudLayout, ComputeHost

#: Its name in clouds.yaml.
CLOUD = "dev-cloud"

#: The services' folders, in the order in which they are stopped; those of one line together.
TIERS = (
    (X86_HOST.compute, ARM_HOST.compute, "nova-novncproxy", "nova-serialproxy"),
    ("nova-scheduler", "nova-conductor"),
    ("nova-api", "placement", "glance", "keystone", "network"),
    (X86_HOST.libvirt, ARM_HOST.libvirt),
    ("rabbitmq", "database"),
)

Start = Callable[[], object]


@dataclass(frozen=True)
class ServiceStatus:
    """A service of the cloud."""

    name: str
    pid: int | None
    """Its process id; None: it is not running."""


def up(layout: CloudLayout) -> None:
    """Start all services that are not running, and wait until instances can be created.

    :raises KollarmError: a package is missing, or a service doesn't start; with the reason.
    """
    software.check(layout.hosts)
    tools, novnc = software.tools(), software.novnc()
    certificates.make(layout.certificates)
    contents = nova_config.nova(layout, tools, novnc)
    _write(layout.service_folder("nova"), contents)
    _write(layout.service_folder("placement"), nova_config.placement(layout))
    (layout.service_folder("nova") / "lock").mkdir(exist_ok=True)
    glance = EmbeddedGlance(layout.folder, layout.glance_port, keystone_port=layout.keystone_port)
    # Readable within the cloud's folder, for the status that its user asks for without root.
    for folder in (glance.layout.folder, glance.keystone_folder):
        backends.create_folder(folder)
    administrator = glance.password(glance_files.ADMINISTRATOR)
    files.write(layout.clouds_yaml, _clouds(layout, administrator), mode=0o600)

    def with_database() -> None:
        daemon.start(backends.database_server(layout))
        database.fill(layout, tools)

    def with_catalogue() -> None:
        glance.start()
        service_catalog.fill(connection(layout), layout)

    _at_once(
        with_database,
        with_catalogue,
        _starting(backends.queue(layout)),
        *(_starting(backends.libvirtd(layout, host)) for host in layout.hosts),
        _starting(backends.network(layout)),
    )
    _at_once(
        _starting(nova_services.placement(layout)),
        _starting(nova_services.compute_api(layout, contents)),
    )

    def worker(program: str, host: ComputeHost | None = None) -> Start:
        # Each has its own connection, because openstacksdk's is not thread-safe.
        list_services = connection(layout).compute.services
        return _starting(nova_services.worker(layout, program, contents, list_services, host))

    # Both exit if Placement doesn't answer, and nova-compute exits without a conductor.
    _at_once(worker("nova-conductor"), worker("nova-scheduler"))
    _at_once(
        _starting(nova_services.proxy(layout, contents)),
        *(worker("nova-compute", host) for host in layout.hosts),
    )
    if layout.serial:
        daemon.start(nova_services.serial_proxy(layout, contents))
    database.discover_hosts(layout, tools)
    service_catalog.add_flavor(connection(layout))


def connection(layout: CloudLayout) -> Any:
    """openstacksdk's connection to the cloud, as its administrator."""
    return connect(CLOUD, clouds_yaml=layout.clouds_yaml)


def status(layout: CloudLayout) -> list[ServiceStatus]:
    """The status of every service of the cloud."""
    absent = set() if layout.x86_host else {X86_HOST.compute, X86_HOST.libvirt}
    absent |= set() if layout.serial else {"nova-serialproxy"}
    return [
        ServiceStatus(name, daemon.running_in(layout.service_folder(name)))
        for tier in reversed(TIERS)
        for name in tier
        if name not in absent
    ]


def down(layout: CloudLayout, *, purge: bool = False) -> int:
    """Stop the cloud and its guests.

    :param purge: also delete its images, instances and databases.
    :returns: how many services were running.
    """
    stopped: list[str] = []

    def stop(name: str) -> None:
        folder = layout.service_folder(name)
        if daemon.running_in(folder) is None:
            return
        with progress.current().step(f"stop {name}"):
            daemon.stop(folder)
        if name == "rabbitmq":
            backends.stop_name_server(layout)
        stopped.append(name)

    for tier in TIERS:
        for host in (X86_HOST, ARM_HOST):
            if host.libvirt in tier:
                _stop_guests(layout, host)
        _at_once(*(partial(stop, name) for name in tier))
    if purge:
        shutil.rmtree(layout.folder, ignore_errors=True)
    return len(stopped)


def _stop_guests(layout: CloudLayout, host: ComputeHost) -> None:
    """Stop a host's guests, which would outlive libvirtd."""
    if not layout.libvirt_socket(host).exists():
        return
    try:
        for name in backends.virsh(layout, host, "list", "--name").split():
            backends.virsh(layout, host, "destroy", name)
    except CommandError as error:
        progress.current().warn(f"guests may still be running: {error.message}")


def _at_once(*starts: Start) -> None:
    """Run these in parallel; raise the first error when all have ended.

    An interruption doesn't wait for them: the next run finds what was started.
    """
    errors: list[BaseException] = []

    def run(start: Start) -> None:
        try:
            start()
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=run, args=(start,), daemon=True) for start in starts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _starting(service: Daemon) -> Start:
    return lambda: daemon.start(service)


def _write(folder: Path, contents: dict[str, str]) -> None:
    for name, text in contents.items():
        files.write(folder / name, text, mode=0o600)


def _clouds(layout: CloudLayout, password: str) -> str:
    """The text of clouds.yaml."""
    text = glance_files.clouds(
        layout.url(layout.glance_port), layout.url(layout.keystone_port), password
    )
    (cloud,) = yaml.safe_load(text)["clouds"].values()
    return yaml.safe_dump({"clouds": {CLOUD: cloud}}, sort_keys=False)
