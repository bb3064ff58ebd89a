"""BuildKit for tests: engines of Debian 13 on loopback, as nodes of a buildx builder.

buildkitd is in no archive, but a Docker Engine has BuildKit built in and offers it to
``POST /grpc``, upgraded to HTTP/2 without TLS (https://github.com/moby/moby/blob/v26.1.5/
api/server/backend/build/backend.go; buildx's own driver ``docker`` uses it).  A relay in
this process makes that a plain TCP port, as buildx's driver ``remote`` wants it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import docker

from core import cache
from core.config.model import AptArchive
from core.run import end, run
from guestprep.archive.client import ArchiveClient
from tests.support.servers import free_port, listening, stop_engine, unmount_below

#: Those of trixie run on bookworm too; its runc doesn't, and the machine's own takes its place.
PACKAGES = ("docker.io", "containerd", "docker-buildx")
TRIXIE = AptArchive(
    uri="http://deb.debian.org/debian",
    suite="trixie",
    keyring=Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
)
PLUGIN = "usr/libexec/docker/cli-plugins/docker-buildx"

_UPGRADE = (
    b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    b"Content-Length: 0\r\n\r\n"
)


@functools.cache
def programs() -> Path:
    """A folder with the packages' files, unpacked but not installed."""
    client = ArchiveClient([TRIXIE], "amd64")
    found = [client.candidates(name)[0] for name in PACKAGES]

    def make(folder: Path) -> None:
        for package in found:
            run(["dpkg", "-x", client.fetch(package), folder])

    name = cache.digest({package.name: package.sha256 for package in found})
    return cache.entry("test-docker", f"trixie-{name}", make)


class Node:
    """An engine whose images lie in containerd, so that its BuildKit can push.

    :ivar address: ``127.0.0.1:PORT``, where its BuildKit answers.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True)
        root, self._folder = programs(), folder
        (folder / "daemon.json").write_text('{"features": {"containerd-snapshotter": true}}')
        self.socket = folder / "engine"
        with (folder / "log").open("w") as log:
            self._process = subprocess.Popen(
                [root / "usr/sbin/dockerd", "--config-file", folder / "daemon.json",
                 "--host", f"unix://{self.socket}", "--data-root", folder / "data",
                 "--exec-root", folder / "run", "--pidfile", folder / "pid",
                 # With "--bridge none" it would remove the bridge of the machine's own engine.
                 "--iptables=false", "--ip6tables=false"],
                stdout=log, stderr=log, start_new_session=True,
                env=dict(os.environ)
                | {"PATH": f"{root / 'usr/sbin'}:{root / 'usr/bin'}:{os.environ['PATH']}"},
            )  # fmt: skip
        limit = time.monotonic() + 60
        while "API listen on" not in (folder / "log").read_text():
            assert self._process.poll() is None and time.monotonic() < limit, (
                folder / "log"
            ).read_text()
            time.sleep(0.1)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._relay, daemon=True).start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes up who waits for connections
        self._listener.close()
        stop_engine(self._process, self._folder / "run")
        unmount_below(self._folder)  # what one that was killed leaves

    def kill(self) -> None:
        """End it as a power cut would, for those who are connected."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        os.killpg(self._process.pid, signal.SIGKILL)

    def steps(self) -> list[str]:
        """The steps whose results it has in its layer cache."""
        with contextlib.closing(docker.APIClient(base_url=f"unix://{self.socket}")) as api:
            return [one["Description"] for one in api.df()["BuildCache"]]

    def _relay(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), near, socket.socket(socket.AF_UNIX) as far:
            far.connect(str(self.socket))
            far.sendall(_UPGRADE)
            head = b""
            while not head.endswith(b"\r\n\r\n") and (more := far.recv(1)):
                head += more
            if not head.startswith(b"HTTP/1.1 101"):
                return
            back = threading.Thread(target=_copy, args=(near, far), daemon=True)
            back.start()
            _copy(far, near)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


BALANCER = """\
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  option redispatch
listen buildkit
  bind 127.0.0.1:{port}
  balance leastconn
  default-server check inter 500 fall 1 on-marked-down shutdown-sessions
"""


@contextlib.contextmanager
def balanced(folder: Path, nodes: Sequence[Node]) -> Iterator[str]:
    """One address for several nodes: an HAProxy."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    lines = [f"  server node{number} {node.address}" for number, node in enumerate(nodes)]
    settings = folder / "haproxy.cfg"
    settings.write_text(BALANCER.format(port=port) + "\n".join(lines) + "\n")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["haproxy", "-db", "-f", settings], stdout=log, stderr=log, start_new_session=True
        )
    try:
        listening(process, port, folder / "log")
        yield f"127.0.0.1:{port}"
    finally:
        end(process)


def plugin(folder: Path) -> dict[str, str]:
    """A folder with docker's plugin buildx; what the environment has to say to docker of it."""
    plugins = folder / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-buildx").symlink_to(programs() / PLUGIN)
    return {"DOCKER_CONFIG": str(folder)}


@contextlib.contextmanager
def builder(folder: Path, **nodes: str) -> Iterator[dict[str, str]]:
    """A buildx builder over nodes, each an address and the platform that it gets.

    :param nodes: the platform's architecture (``amd64``) → the node's address.
    :returns: what the environment has to say for ``docker buildx`` to know it.
    """
    environ = plugin(folder)
    for number, (architecture, address) in enumerate(nodes.items()):
        further = ["--append"] if number else []
        run(
            ["docker", "buildx", "create", "--name", "several", *further, "--driver", "remote",
             "--platform", f"linux/{architecture}", f"tcp://{address}"],
            env=environ,
        )  # fmt: skip
    yield environ
