"""Starting the small cloud, saying how it is, ending it."""

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
from testbed.cloud import catalogue, database, nova_files, nova_parts, parts, software
from testbed.cloud.layout import ARM_HOST, X86_HOST, CloudLayout, ComputeHost

#: Its name in clouds.yaml.
CLOUD = "dev-cloud"

#: The folders of its services, in the order in which they are ended: those of one line at once.
TIERS = (
    (X86_HOST.compute, ARM_HOST.compute, "nova-novncproxy", "nova-scheduler", "nova-conductor"),
    ("nova-api", "placement", "glance", "keystone", "network"),
    (X86_HOST.libvirt, ARM_HOST.libvirt),
    ("rabbitmq", "database"),
)

Start = Callable[[], object]


@dataclass(frozen=True)
class ServiceStatus:
    """One service, and the process id it runs as, or None."""

    service: str
    pid: int | None


def up(layout: CloudLayout) -> None:
    """Start what doesn't run yet, and wait until an instance can be asked for.

    :raises KollarmError: something is missing, or doesn't come up, with the reason.
    """
    software.check(layout.hosts)
    tools, novnc = software.tools(), software.novnc()
    layout.folder.mkdir(parents=True, exist_ok=True)
    contents = nova_files.nova(layout, tools, novnc)
    _write(layout.part("nova"), contents)
    _write(layout.part("placement"), nova_files.placement(layout))
    (layout.part("nova") / "lock").mkdir(exist_ok=True)
    glance = EmbeddedGlance(layout.folder, layout.glance_port, keystone_port=layout.keystone_port)
    # Read by people and by tools that run as them.
    files.write(layout.clouds_yaml, _clouds(layout), mode=0o600)

    def with_database() -> None:
        daemon.start(parts.database_server(layout))
        database.fill(layout, tools)

    def with_catalogue() -> None:
        glance.start()
        catalogue.fill(connection(layout), layout)

    _at_once(
        with_database,
        with_catalogue,
        _starting(parts.queue(layout)),
        *(_starting(parts.libvirtd(layout, host)) for host in layout.hosts),
        _starting(parts.network(layout)),
    )
    _at_once(
        _starting(nova_parts.placement(layout)), _starting(nova_parts.compute_api(layout, contents))
    )

    def worker(program: str, host: ComputeHost | None = None) -> Start:
        # Each its own connection: openstacksdk's isn't made for several threads.
        seen = connection(layout).compute.services
        return _starting(nova_parts.worker(layout, program, contents, seen, host))

    # Both end by themselves where Placement doesn't answer, and nova-compute without a conductor.
    _at_once(worker("nova-conductor"), worker("nova-scheduler"))
    _at_once(
        _starting(nova_parts.proxy(layout, contents)),
        *(worker("nova-compute", host) for host in layout.hosts),
    )
    database.discover_hosts(layout, tools)
    catalogue.add_flavor(connection(layout))


def connection(layout: CloudLayout) -> Any:
    """openstacksdk's connection to the cloud, as its administrator."""
    return connect(CLOUD, clouds_yaml=layout.clouds_yaml)


def status(layout: CloudLayout) -> list[ServiceStatus]:
    """Every service of the cloud, whether it runs or not."""
    absent = () if layout.x86_host else (X86_HOST.compute, X86_HOST.libvirt)
    return [
        ServiceStatus(name, daemon.running_in(layout.part(name)))
        for tier in reversed(TIERS)
        for name in tier
        if name not in absent
    ]


def down(layout: CloudLayout, *, purge: bool = False) -> int:
    """End the cloud and its guests; return how many services ran.

    :param purge: delete its images, instances and records too.
    """
    ended: list[str] = []

    def end(name: str) -> None:
        folder = layout.part(name)
        if daemon.running_in(folder) is None:
            return
        with progress.current().step(f"end {name}"):
            daemon.stop(folder)
        if name == "rabbitmq":
            parts.end_name_server(layout)
        ended.append(name)

    for tier in TIERS:
        for host in (X86_HOST, ARM_HOST):
            if host.libvirt in tier:
                _end_guests(layout, host)
        _at_once(*(partial(end, name) for name in tier))
    if purge:
        shutil.rmtree(layout.folder, ignore_errors=True)
    return len(ended)


def _end_guests(layout: CloudLayout, host: ComputeHost) -> None:
    """End a host's guests, which would outlive libvirtd."""
    if not layout.libvirt_socket(host).exists():
        return
    try:
        for name in parts.virsh(layout, host, "list", "--name").split():
            parts.virsh(layout, host, "destroy", name)
    except CommandError as error:
        progress.current().warn(f"guests may still run: {error.message}")


def _at_once(*starts: Start) -> None:
    """Carry out all of these side by side; raise the first error when all have ended.

    An interruption waits for none of them: what has started by then is found by the next run.
    """
    errors: list[BaseException] = []

    def carry_out(start: Start) -> None:
        try:
            start()
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=carry_out, args=(start,), daemon=True) for start in starts]
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


def _clouds(layout: CloudLayout) -> str:
    """The cloud's clouds.yaml: that of its Keystone, under its own name."""
    text = glance_files.clouds(layout.url(layout.glance_port), layout.url(layout.keystone_port))
    (cloud,) = yaml.safe_load(text)["clouds"].values()
    return yaml.safe_dump({"clouds": {CLOUD: cloud}}, sort_keys=False)
