"""The services that Nova depends on, each as a daemon: database, queue, libvirt, network."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from core import files
from core.errors import CommandError
from core.run import run, which
from kollarm.services import ports
from kollarm.services.daemon import Daemon
from testbed.cloud import database, nova_config, unprivileged
from testbed.cloud.layout import HOST, CloudLayout, ComputeHost

#: The time limit of a start on a busy machine, in seconds.
DEADLINE = 300.0

#: How the user can change the ports.
PORT_HINT = "choose another first port (--port)"

# Runs libvirtd in its own namespaces, with its own host name; with folders of the cloud, so
# that it doesn't interfere with the machine's libvirtd; with the user that Debian's build
# expects, even if libvirt-daemon-system, which creates it, isn't installed; and without KVM,
# which emulated guests don't use and whose probing can hang in a virtual machine.
# $1: its folder, $2: its host name, $3: the instances' folder, $4: its place for QEMU.
_LIBVIRTD = """
set -e
umask 022
here=$1
hostname "$2"
for place in /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /run/libvirt; do
    mkdir -p "$here$place" "$place"
    mount --bind "$here$place" "$place"
done
cp "$here"/*.conf /etc/libvirt/
for name in passwd group hosts; do
    cp "/etc/$name" "$here/$name"
done
echo "127.0.0.1 $2" >> "$here/hosts"
mount --bind "$here/hosts" /etc/hosts
for name in passwd group; do
    grep -q ^libvirt-qemu: "$here/$name" || cat "$here/$name.more" >> "$here/$name"
    mount --bind "$here/$name" "/etc/$name"
done
! [ -e /dev/kvm ] || mount --bind /dev/null /dev/kvm
mkdir -p "$4"
mount --bind "$3" "$4"
exec libvirtd --config "$here/libvirtd.conf" --pid-file "$here/libvirtd.pid"
"""


def database_server(layout: CloudLayout) -> Daemon:
    """MariaDB."""

    def answers() -> bool:
        try:
            with socket.create_connection((HOST, layout.database_port), timeout=5) as stream:
                # The server's greeting has the name of its authentication plugin.
                return b"mysql_native_password" in stream.recv(200)
        except OSError:
            return False

    return Daemon(
        name="MariaDB",
        folder=create_folder(layout.service_folder("database")),
        program=lambda: database.command(layout),
        address=(HOST, layout.database_port),
        answers=answers,
        settings="".join(map(str, (layout.database_port, layout.password("database")))),
        port_hint=PORT_HINT,
        deadline=DEADLINE,
    )


def queue(layout: CloudLayout) -> Daemon:
    """RabbitMQ."""
    folder = create_folder(layout.service_folder("rabbitmq"))
    user = unprivileged.QUEUE
    settings = (
        f"default_user = {nova_config.QUEUE_USER}\ndefault_pass = {layout.password('queue')}\n"
    )

    def program() -> tuple[str, ...]:
        server = unprivileged.folder_of(user, folder / "server")
        unprivileged.write(user, server / "rabbitmq.conf", settings)
        unprivileged.write(user, server / ".erlang.cookie", layout.password("erlang"))
        return unprivileged.as_user(user, server, "/usr/lib/rabbitmq/bin/rabbitmq-server")

    def answers() -> bool:
        try:
            with socket.create_connection((HOST, layout.rabbit_port), timeout=5) as stream:
                # The server answers anything but AMQP with the header of AMQP.
                stream.sendall(b"kollarm?")
                return stream.recv(4) == b"AMQP"
        except OSError:
            return False

    return Daemon(
        name="RabbitMQ",
        folder=folder,
        program=program,
        address=(HOST, layout.rabbit_port),
        answers=answers,
        settings=settings,
        env=queue_environment(layout),
        port_hint=PORT_HINT,
        deadline=DEADLINE,
    )


def queue_environment(layout: CloudLayout) -> dict[str, str]:
    """The environment of this cloud's RabbitMQ."""
    folder = unprivileged.MOUNTED
    return {
        "HOME": str(folder),  # Erlang's cookie
        "RABBITMQ_NODENAME": f"kollarm{layout.rabbit_port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": HOST,
        "RABBITMQ_NODE_PORT": str(layout.rabbit_port),
        "RABBITMQ_DIST_PORT": str(layout.rabbit_port + 1),
        "ERL_EPMD_PORT": str(layout.rabbit_port + 2),
        "ERL_EPMD_ADDRESS": HOST,
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "logs"),
        "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none "
        "-kernel inet_dist_use_interface {127,0,0,1}",
    }


def stop_name_server(layout: CloudLayout) -> None:
    """Stop Erlang's name server, which RabbitMQ starts and leaves running."""
    if which("epmd"):
        port = str(layout.rabbit_port + 2)
        run(["epmd", "-port", port, "-kill"], check=False, timeout=30)


def libvirtd(layout: CloudLayout, host: ComputeHost) -> Daemon:
    """A host's libvirtd, separate from the machine's own."""
    folder = create_folder(layout.service_folder(host.libvirt))
    contents = nova_config.libvirt(layout, host)

    def program() -> tuple[str, ...]:
        for name, text in contents.items():
            files.write(folder / name, text)
        user = nova_config.GUEST_USER
        files.write(folder / "passwd.more", f"libvirt-qemu:x:{user}:{user}::/:/usr/sbin/nologin\n")
        files.write(folder / "group.more", f"libvirt-qemu:x:{user}:\n")
        certificates = create_folder(folder / nova_config.VNC_CERTIFICATES.relative_to("/"))
        for name in ("ca-cert.pem", "server-cert.pem", "server-key.pem"):
            text = (layout.certificates / name).read_text(encoding="utf-8")
            unprivileged.write(user, certificates / name, text)
        files.private_folder(layout.libvirt_socket(host).parent)
        layout.libvirt_socket(host).unlink(missing_ok=True)
        return ("unshare", "--mount", "--uts", "--propagation", "private",
                "sh", "-c", _LIBVIRTD, "sh", str(folder), host.name,
                str(create_folder(layout.instances(host))),
                str(unprivileged.MOUNTED))  # fmt: skip

    def answers() -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as stream:
                stream.settimeout(5)
                stream.connect(str(layout.libvirt_socket(host)))
        except OSError:
            return False
        try:
            return virsh(layout, host, "capabilities").find(host.architecture) > 0
        except CommandError:
            return False

    return Daemon(
        name=f"libvirtd of {host.name}",
        folder=folder,
        program=program,
        address=None,
        answers=answers,
        settings="".join([_LIBVIRTD, *contents.values()]),
        deadline=DEADLINE,
    )


def virsh(layout: CloudLayout, host: ComputeHost, *words: str) -> str:
    """The output of a virsh command on a host's libvirt.

    :raises CommandError: libvirt refuses, or doesn't answer.
    """
    return run(["virsh", "-q", "-c", layout.libvirt_uri(host), *words], timeout=120).stdout


def network(layout: CloudLayout) -> Daemon:
    """The stand-in for Neutron."""
    return Daemon(
        name="Neutron's stand-in",
        folder=create_folder(layout.service_folder("network")),
        program=lambda: (
            sys.executable, "-m", "testbed.cloud.network", str(layout.network_port),
        ),
        address=(HOST, layout.network_port),
        answers=lambda: ports.get(layout.url(layout.network_port)) is not None,
        settings=Path(__file__).with_name("network.py").read_text(),
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        port_hint=PORT_HINT,
    )  # fmt: skip


def create_folder(folder: Path) -> Path:
    """Create a folder if it doesn't exist, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder
