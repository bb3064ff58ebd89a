"""A registry of a test's own, and small images in it."""

from __future__ import annotations

import io
import socket
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import IO

import yaml

from builder.context.archive import add_bytes
from builder.engines.docker import DockerEngine
from builder.engines.protocol import BuildJob
from core.config.model import Architecture
from core.oci.model import RegistryImage
from core.oci.registry import RegistryClient
from core.run import end
from tests.support.servers import free_port


class RunningRegistry:
    """A docker-registry of Debian's on loopback, its data in a folder of its own.

    :param host: the address to listen at instead.
    :param tls: the files of a certificate and its key; without them it speaks plain HTTP.
    """

    def __init__(
        self,
        folder: Path,
        *,
        host: str = "127.0.0.1",
        tls: dict[str, str] | None = None,
        **settings: object,
    ):
        folder.mkdir(parents=True, exist_ok=True)
        self.address = f"{host}:{free_port()}"
        config = {
            "version": 0.1,
            "log": {"level": "error"},
            "storage": {
                "filesystem": {"rootdirectory": str(folder / "data")},
                "delete": {"enabled": True},
            },
            "http": {"addr": self.address, **({"tls": tls} if tls else {})},
            **settings,
        }
        self._config = folder / "config.yml"
        self._config.write_text(yaml.safe_dump(config))
        self.start()

    def start(self) -> None:
        """Serve, again after :meth:`kill`, at the same address."""
        self.process = subprocess.Popen(
            ["docker-registry", "serve", self._config],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        limit = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                host, port = self.address.split(":")
                if probe.connect_ex((host, int(port))) == 0:
                    return
            assert time.monotonic() < limit, "docker-registry doesn't start"
            time.sleep(0.05)

    def kill(self) -> None:
        """End it without a chance to finish anything."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        end(self.process)


def context(dockerfile: str, **files: bytes) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        add_bytes(tar, "Dockerfile", dockerfile.encode())
        for name, content in files.items():
            add_bytes(tar, name, content)
    stream.seek(0)
    return stream


def packed(dockerfile: str, **files: bytes) -> IO[bytes]:
    """A build context as a real file, as kollarm makes them."""
    stream = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is forgotten
    stream.write(context(dockerfile, **files).read())
    stream.seek(0)
    return stream


def pushed(
    engine: DockerEngine,
    client: RegistryClient,
    name: str,
    architecture: Architecture,
    content: bytes,
) -> RegistryImage:
    """An image of one file, ``test/NAME``, pushed under ``t-ARCHITECTURE``."""
    tag = f"t-{architecture}"
    text = f"FROM scratch\nCOPY file /\nLABEL io.kollarm.key=key-{architecture}\n"
    reference = f"{client.address}/test/{name}:{tag}"
    engine.build(BuildJob(context(text, file=content), reference, architecture))
    assert engine.push(reference).startswith("sha256:")
    found = client.image(f"test/{name}", tag)
    assert found is not None
    return found


def pushed_members(
    engine: DockerEngine, client: RegistryClient, name: str, content: str = "member"
) -> dict[Architecture, RegistryImage]:
    """Such an image for each architecture, no two with the same content."""
    return {
        architecture: pushed(
            engine, client, name, architecture, f"{architecture} {content}".encode()
        )
        for architecture in Architecture
    }
