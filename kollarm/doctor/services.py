"""The registry and the cloud: reachable with this user's credentials."""

from __future__ import annotations

from collections.abc import Iterator

from core.config.model import Config
from core.errors import KollarmError
from core.oci.client import client_for
from guestprep.publish import compute_hosts
from guestprep.publish.audit import disks, unlabelled
from guestprep.publish.cloud import Glance
from kollarm.doctor.model import DoctorFinding, failed, good, missing, note
from kollarm.guests.cloud import cloud_for
from kollarm.services import ports
from kollarm.services.chosen_ports import glance_port
from kollarm.services.glance import EmbeddedGlance
from kollarm.services.registry import EmbeddedRegistry


def registry(config: Config) -> Iterator[DoctorFinding]:
    """Check that the registry answers and that this user may write to it."""
    settings = config.registry
    subject = f"registry {settings.address}"
    if settings.embedded:
        try:
            service = EmbeddedRegistry(settings, config.state_dir)
        except KollarmError as error:
            yield failed(subject, error)
            return
        yield _embedded(subject, service.running(), service.port, "registry.address")
        return
    try:
        client = client_for(config)
        client.ping()
        client.check_writable(f"{config.build.namespace}/base")
    except KollarmError as error:
        yield failed(subject, error)
        return
    yield good(subject, f"answers, and this user may write {config.build.namespace}/base")


def cloud(config: Config) -> Iterator[DoctorFinding]:
    """Check that the cloud accepts the credentials and that its Glance answers."""
    if not config.guests:
        return
    if config.cloud.embedded:
        port = glance_port(config)
        running = EmbeddedGlance(config.state_dir, port).running()
        yield _embedded("embedded Glance", running, port, "cloud.port")
        return
    subject = f"cloud {config.cloud.name or '(from OS_…)'}"
    try:
        connection = cloud_for(config)
        glance = Glance(connection)
        methods, images = glance.import_methods(), disks(glance)
    except KollarmError as error:
        yield failed(subject, error)
        return
    imports = f"; import methods: {', '.join(methods)}" if methods else ""
    subject = f"cloud {connection.config.name or '(from OS_…)'}"
    yield good(subject, f"Glance answers, the credentials are accepted{imports}")
    for found in compute_hosts.examine(connection, unlabelled=unlabelled(images)):
        yield note(found.subject, found.reason, found.remedy)


def _embedded(subject: str, pid: int | None, port: int, key: str) -> DoctorFinding:
    if pid is not None:
        return good(subject, f"runs on this machine (process {pid})")
    holder = ports.listener(port)
    if holder is None:
        return good(subject, f"will be started when needed; port {port} is free")
    text = f"port {port} is in use by process {holder.pid} ({holder.name()})"
    owner = ports.service_folder(holder)
    if owner is not None:
        return missing(
            subject,
            f"{text}, the same service of another project ({owner})",
            f"kollarm stop {owner.parent}, or choose another port in {key}",
        )
    return missing(subject, text, f"end that program, or choose another port in {key}")
