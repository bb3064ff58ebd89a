"""The services of the small cloud that kollarm has nowhere else, each as a daemon."""

from __future__ import annotations

import calendar
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests
from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from kollarm import files
from kollarm.devcloud import database, nova_files, software
from kollarm.devcloud.layout import ARM_HOST, HOST, X86_HOST, Layout
from kollarm.errors import CommandError
from kollarm.run import run, which
from kollarm.services import openstack_tools, ports
from kollarm.services.daemon import Daemon

#: Seconds that a start may take on a busy machine.
DEADLINE = 300.0

_PORT_HINT = "choose another first port (--port)"

# Runs libvirtd in a mount namespace of its own: its folders are the cloud's, so that a
# libvirtd of the machine's is not met; it finds the user that Debian's build names even
# where libvirt-daemon-system, which makes that user, isn't installed; and no KVM, which
# emulated guests don't use and whose probing can hang inside a virtual machine.
# $1 the cloud's libvirt folder.
_LIBVIRTD = """
set -e
here=$1
for place in /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /run/libvirt; do
    mkdir -p "$here$place" "$place"
    mount --bind "$here$place" "$place"
done
cp "$here"/*.conf /etc/libvirt/
for name in passwd group; do
    cp "/etc/$name" "$here/$name"
    grep -q ^libvirt-qemu: "$here/$name" || cat "$here/$name.more" >> "$here/$name"
    mount --bind "$here/$name" "/etc/$name"
done
! [ -e /dev/kvm ] || mount --bind /dev/null /dev/kvm
mkdir -p "$here/run"
exec libvirtd --config "$here/libvirtd.conf" --pid-file "$here/libvirtd.pid"
"""


def database_server(layout: Layout) -> Daemon:
    """MariaDB."""

    def answers() -> bool:
        try:
            with socket.create_connection((HOST, layout.database_port), timeout=5) as stream:
                # The server speaks first; the name of its sort of authentication is in it.
                return b"mysql_native_password" in stream.recv(200)
        except OSError:
            return False

    return Daemon(
        name="MariaDB",
        folder=_made(layout.part("database")),
        program=lambda: database.command(layout),
        address=(HOST, layout.database_port),
        answers=answers,
        settings=str(layout.database_port),
        port_hint=_PORT_HINT,
        deadline=DEADLINE,
    )


def queue(layout: Layout) -> Daemon:
    """RabbitMQ."""
    folder = _made(layout.part("rabbitmq"))
    env = queue_environment(layout)

    def answers() -> bool:
        try:
            with socket.create_connection((HOST, layout.rabbit_port), timeout=5) as stream:
                # What isn't AMQP is answered with the header of what would be.
                stream.sendall(b"kollarm?")
                return stream.recv(4) == b"AMQP"
        except OSError:
            return False

    return Daemon(
        name="RabbitMQ",
        folder=folder,
        program=lambda: ("/usr/lib/rabbitmq/bin/rabbitmq-server",),
        address=(HOST, layout.rabbit_port),
        answers=answers,
        settings=str(layout.rabbit_port),
        env=env,
        port_hint=_PORT_HINT,
        deadline=DEADLINE,
    )


def queue_environment(layout: Layout) -> dict[str, str]:
    """What makes a RabbitMQ, and its command line tools, this cloud's own."""
    folder = layout.part("rabbitmq")
    return {
        "HOME": str(folder),  # Erlang's cookie
        "RABBITMQ_NODENAME": f"kollarm{layout.rabbit_port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": HOST,
        "RABBITMQ_NODE_PORT": str(layout.rabbit_port),
        "RABBITMQ_DIST_PORT": str(layout.rabbit_port + 1),
        "ERL_EPMD_PORT": str(layout.rabbit_port + 2),
        "ERL_EPMD_ADDRESS": HOST,
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "logs"),
        "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none",
    }


def end_name_server(layout: Layout) -> None:
    """End Erlang's name server, which RabbitMQ started and left running."""
    if which("epmd"):
        port = str(layout.rabbit_port + 2)
        run(["epmd", "-port", port, "-kill"], check=False, timeout=30)


def libvirtd(layout: Layout) -> Daemon:
    """libvirtd, apart from any that the machine runs."""
    folder = _made(layout.part("libvirt"))
    contents = nova_files.libvirt(layout)

    def program() -> tuple[str, ...]:
        for name, text in contents.items():
            files.write(folder / name, text)
        files.write(folder / "passwd.more", "libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin\n")
        files.write(folder / "group.more", "libvirt-qemu:x:64055:\n")
        layout.libvirt_socket.unlink(missing_ok=True)
        return ("unshare", "--mount", "--propagation", "private",
                "sh", "-c", _LIBVIRTD, "sh", str(folder))  # fmt: skip

    def answers() -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as stream:
                stream.settimeout(5)
                stream.connect(str(layout.libvirt_socket))
        except OSError:
            return False
        try:
            return virsh(layout, "capabilities").find("aarch64") > 0
        except CommandError:
            return False

    return Daemon(
        name="libvirtd",
        folder=folder,
        program=program,
        address=None,
        answers=answers,
        settings="".join([_LIBVIRTD, *contents.values()]),
        deadline=DEADLINE,
    )


def virsh(layout: Layout, *words: str) -> str:
    """What the cloud's libvirt answers to a command of virsh's.

    :raises CommandError: it refuses, or doesn't answer.
    """
    return run(["virsh", "-q", "-c", layout.libvirt_uri, *words], timeout=120).stdout


def network(layout: Layout) -> Daemon:
    """The stand-in for Neutron."""
    return Daemon(
        name="Neutron's stand-in",
        folder=_made(layout.part("network")),
        program=lambda: (
            sys.executable, "-m", "kollarm.devcloud.network", str(layout.network_port),
        ),
        address=(HOST, layout.network_port),
        answers=lambda: ports.get(layout.url(layout.network_port)) is not None,
        settings=Path(__file__).with_name("network.py").read_text(),
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        port_hint=_PORT_HINT,
    )  # fmt: skip


def placement(layout: Layout) -> Daemon:
    """Placement's API."""
    folder = layout.part("placement")
    return _wsgi(
        "Placement", folder, layout.placement_port, "placement.wsgi.api",
        nova_files.placement(layout), {"OS_PLACEMENT_CONFIG_DIR": str(folder)},
    )  # fmt: skip


def compute_api(layout: Layout, contents: Mapping[str, str]) -> Daemon:
    """Nova's API."""
    folder = layout.part("nova")
    return _wsgi(
        "Nova's API", layout.part("nova-api"), layout.compute_port, "nova.wsgi.osapi_compute",
        contents,
        # Its own threads are gunicorn's: with eventlet's in their place it hangs.
        {
            "OS_NOVA_CONFIG_DIR": str(folder),
            "OS_NOVA_DISABLE_EVENTLET_PATCHING": "true",
        },
    )  # fmt: skip


def proxy(layout: Layout, contents: Mapping[str, str]) -> Daemon:
    """Nova's console proxy, with noVNC's pages."""
    port = layout.proxy_port

    def answers() -> bool:
        page = ports.get(f"{layout.url(port)}/vnc_lite.html")
        return page is not None and page.status_code == requests.codes.ok

    return _nova(
        layout, "nova-novncproxy", layout.part("nova-novncproxy"), contents, answers,
        address=(HOST, port),
    )  # fmt: skip


def worker(
    layout: Layout, name: str, contents: Mapping[str, str], seen: Callable[[], Any]
) -> Daemon:
    """A service of Nova's that only listens to the queue.

    :param name: ``nova-scheduler``, ``nova-conductor``, ``nova-compute``; and
        ``nova-compute-x86``, the stand-in for an x86 host.
    :param seen: the API's services, as openstacksdk has them. One that was up before the
        start, in Nova's records, counts only once it has reported again.
    """
    folder = layout.part(name)
    program = name.removesuffix("-x86")
    host = X86_HOST if name.endswith("-x86") else ARM_HOST

    def answers() -> bool:
        try:
            started = (folder / "pid").stat().st_mtime
            return any(
                service.binary == program
                and service.host == host
                and service.state == "up"
                and _after(service.updated_at, started)
                for service in seen()
            )
        except (OSError, SDKException, ClientException):
            return False  # the API, or what it asks, doesn't answer yet

    return _nova(layout, program, folder, contents, answers, x86=host == X86_HOST)


def _after(stamp: str | None, started: float) -> bool:
    """Whether Nova's time stamp (UTC, without saying so) is later than that."""
    if not stamp:
        return False
    moment = time.strptime(stamp.split(".")[0], "%Y-%m-%dT%H:%M:%S")
    return calendar.timegm(moment) >= started - 1


def _nova(
    layout: Layout,
    program: str,
    folder: Path,
    contents: Mapping[str, str],
    answers: Callable[[], bool],
    *,
    address: tuple[str, int] | None = None,
    x86: bool = False,
) -> Daemon:
    etc = layout.part("nova")

    def command() -> tuple[str, ...]:
        for name in ("arm", "x86"):
            (etc / name / "instances").mkdir(parents=True, exist_ok=True)
        more = ("--config-file", str(etc / "x86.conf")) if x86 else ()
        tools = software.tools() / "bin"
        run_it = (
            (tools / "python", software.DATA / "kollarm_nova_compute.py")
            if program == "nova-compute"
            else (tools / program,)
        )
        return (*map(str, run_it), "--config-file", str(etc / "nova.conf"), *more)

    return Daemon(
        name=folder.name,
        folder=_made(folder),
        program=command,
        address=address,
        answers=answers,
        settings="".join((software.requirements(), software.drivers(), *contents.values())),
        env={"PYTHONPATH": str(software.libvirt_binding(layout.part("python")))},
        port_hint=_PORT_HINT,
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
        folder=_made(folder),
        program=lambda: openstack_tools.gunicorn(
            software.tools(), "kollarm_wsgi:application", port
        ),
        address=(HOST, port),
        # Its list of versions, for which nobody has to say who they are.
        answers=lambda: (page := ports.get(f"{url}/")) is not None and page.ok,
        settings="".join((software.requirements(), *contents.values())),
        env={"KOLLARM_WSGI": module, "PYTHONPATH": str(software.DATA), **env},
        port_hint=_PORT_HINT,
        deadline=DEADLINE,
    )


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
