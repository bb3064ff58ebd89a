"""Placement's and Nova's services, each as a daemon."""

from __future__ import annotations

import calendar
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests
from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from kollarm.services import openstack_tools, ports
from kollarm.services.daemon import Daemon
from testbed.cloud import nova_config, software, unprivileged
from testbed.cloud.backends import DEADLINE, PORT_HINT, create_folder
from testbed.cloud.layout import HOST, CloudLayout, ComputeHost

#: Where ``data/kollarm_certificates.py`` of :mod:`kollarm.services` finds certificates.
CERTIFICATES = "KOLLARM_CERTIFICATES"


def placement(layout: CloudLayout) -> Daemon:
    """Placement's API."""
    folder = layout.service_folder("placement")
    return _wsgi(
        "Placement", folder, layout.placement_port, "placement.wsgi.api",
        nova_config.placement(layout), {"OS_PLACEMENT_CONFIG_DIR": str(folder)},
    )  # fmt: skip


def compute_api(layout: CloudLayout, contents: Mapping[str, str]) -> Daemon:
    """Nova's API."""
    folder = layout.service_folder("nova")
    return _wsgi(
        "Nova's API", layout.service_folder("nova-api"), layout.compute_port,
        "nova.wsgi.osapi_compute", contents,
        # gunicorn runs it in threads; with eventlet's patches it would hang.
        {
            "OS_NOVA_CONFIG_DIR": str(folder),
            "OS_NOVA_DISABLE_EVENTLET_PATCHING": "true",
        },
    )  # fmt: skip


def proxy(layout: CloudLayout, contents: Mapping[str, str]) -> Daemon:
    """Nova's console proxy, with noVNC's pages."""
    port = layout.proxy_port

    def answers() -> bool:
        page = ports.get(f"{layout.url(port)}/vnc_lite.html")
        return page is not None and page.status_code == requests.codes.ok

    return _nova(
        layout, "nova-novncproxy", layout.service_folder("nova-novncproxy"), contents, answers,
        address=(HOST, port),
    )  # fmt: skip


def serial_proxy(layout: CloudLayout, contents: Mapping[str, str]) -> Daemon:
    """Nova's proxy of serial consoles."""
    port = layout.serial_port
    # It has no page: any answer will do.
    return _nova(
        layout, "nova-serialproxy", layout.service_folder("nova-serialproxy"), contents,
        lambda: ports.get(layout.url(port)) is not None, address=(HOST, port),
    )  # fmt: skip


def worker(
    layout: CloudLayout,
    program: str,
    contents: Mapping[str, str],
    list_services: Callable[[], Any],
    host: ComputeHost | None = None,
) -> Daemon:
    """One of Nova's services that only listen to the message queue.

    :param program: ``nova-scheduler``, ``nova-conductor`` or ``nova-compute``.
    :param list_services: returns the services that Nova knows, as openstacksdk's objects. One
        that was up before this start counts only after it has reported again.
    :param host: the host of nova-compute; None for other programs.
    """
    folder = layout.service_folder(host.compute if host else program)

    def answers() -> bool:
        try:
            started = (folder / "pid").stat().st_mtime
            return any(
                service.binary == program
                and (host is None or service.host == host.name)
                and service.state == "up"
                and _after(service.updated_at, started)
                for service in list_services()
            )
        except (OSError, SDKException, ClientException):
            return False  # the API, or a service it uses, doesn't answer yet

    return _nova(layout, program, folder, contents, answers, host=host)


def _after(stamp: str | None, started: float) -> bool:
    """Whether Nova's time stamp (in UTC) is after a service's start."""
    if not stamp:
        return False
    moment = time.strptime(stamp.split(".")[0], "%Y-%m-%dT%H:%M:%S")
    return calendar.timegm(moment) >= started - 1


def _nova(
    layout: CloudLayout,
    program: str,
    folder: Path,
    contents: Mapping[str, str],
    answers: Callable[[], bool],
    *,
    address: tuple[str, int] | None = None,
    host: ComputeHost | None = None,
) -> Daemon:
    etc = layout.service_folder("nova")

    def command() -> tuple[str, ...]:
        (etc / "state").mkdir(exist_ok=True)
        more: tuple[str, ...] = ()
        if host:
            create_folder(layout.instances(host) / "instances")
            more = ("--config-file", str(etc / f"{host.name}.conf"))
        tools = software.tools() / "bin"
        words = (
            (tools / "python", software.DATA / "kollarm_nova_compute.py")
            if program == "nova-compute"
            else (tools / program,)
        )
        line = (*map(str, words), "--config-file", str(etc / "nova.conf"), *more)
        return unprivileged.bound(layout.instances(host), *line) if host else line

    binding = software.libvirt_binding(layout.service_folder("python"))
    return Daemon(
        name=folder.name,
        folder=create_folder(folder),
        program=command,
        address=address,
        answers=answers,
        settings="".join((software.requirements(), software.drivers(), *contents.values())),
        env={
            "PYTHONPATH": ":".join(
                map(str, (binding, openstack_tools.DATA))  # the key manager, among others
            ),
            CERTIFICATES: str(layout.service_folder("glance") / "certificates"),
        },
        port_hint=PORT_HINT,
        deadline=DEADLINE,
    )


def _wsgi(
    name: str,
    folder: Path,
    port: int,
    module: str,
    contents: Mapping[str, str],
    env: Mapping[str, str],
) -> Daemon:
    url = f"http://{HOST}:{port}"
    return Daemon(
        name=name,
        folder=create_folder(folder),
        program=lambda: openstack_tools.gunicorn(
            software.tools(), "kollarm_wsgi:application", port
        ),
        address=(HOST, port),
        # The list of versions needs no authentication.
        answers=lambda: (page := ports.get(f"{url}/")) is not None and page.ok,
        settings="".join((software.requirements(), *contents.values())),
        env={"KOLLARM_WSGI": module, "PYTHONPATH": str(software.DATA), **env},
        port_hint=PORT_HINT,
        deadline=DEADLINE,
    )
