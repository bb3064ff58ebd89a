"""What the deploy tests stand on: a registry of their own and tiny images for it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests
import yaml

from core import lock
from tests.support.servers import free_port

#: Two "hosts" on this machine: an x86_64 control host and an ARM compute host.
CLOUD = """
release: "{release}"
registry: {{address: "{registry}"}}
build: {{distro: debian, tag: "{tag}"}}
deploy:
  config_dir: {folder}/conf
  vips: {{internal: 127.0.0.1}}
  hosts:
    ctl1:
      architecture: x86_64
      groups: [control, network]
      connection: local
      python: {python}
      interfaces: {{network: lo}}
      variables: {{node_config_directory: "{folder}/ctl1{project}"}}
    arm1:
      architecture: aarch64
      groups: [compute]
      connection: local
      python: {python}
      interfaces: {{network: lo, tunnel: lo}}
      variables: {{node_config_directory: "{folder}/arm1{project}"}}
  # No systemd here; a real cloud leaves this group as it is.
  group_children: {{baremetal: []}}
  globals:
    enable_haproxy: false
    prechecks_enable_host_ntp_checks: false
    default_container_dimensions_docker: {{}}
"""

OCI_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCI_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_CONFIG = "application/vnd.docker.container.image.v1+json"
OCI_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class OwnRegistry:
    """A docker-registry of the test's own, whose access log tells what was asked of it."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.address = f"127.0.0.1:{free_port()}"
        self.log = folder / "log"
        self.config = folder / "config.yml"
        self.config.write_text(
            yaml.safe_dump(
                {
                    "version": "0.1",
                    "log": {"level": "warn", "accesslog": {"disabled": False}},
                    "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
                    "http": {"addr": self.address},
                }
            )
        )

    @contextmanager
    def running(self) -> Iterator[OwnRegistry]:
        """Serve while the block runs."""
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                ["docker-registry", "serve", str(self.config)], stdout=log, stderr=log
            )
            try:
                for _ in range(100):
                    with suppress(requests.ConnectionError):
                        requests.get(f"http://{self.address}/v2/", timeout=5)
                        break
                    time.sleep(0.1)
                yield self
            finally:
                process.terminate()
                process.wait(20)
                self._forget()

    def _forget(self) -> None:
        """Take what was pulled from here out of the engine again."""
        listed = subprocess.run(
            ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}",
             "--filter", f"reference={self.address}/*/*"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        # an image whose tag has gone to a newer one has no name to remove it by
        names = [name for name in listed.stdout.split() if not name.endswith("<none>")]
        if names:
            subprocess.run(["docker", "image", "rm", "-f", *names], capture_output=True, check=True)

    def pulled(self) -> set[str]:
        """``repository:tag`` of every manifest that an engine asked for."""
        lines = self.log.read_text().splitlines()
        return {
            f"{m[1]}:{m[2]}"
            for line in lines
            if "docker/" in line
            and (m := re.search(r'"(?:GET|HEAD) /v2/(\S+)/manifests/([^ :]+) ', line))
        }

    def push(
        self,
        name: str,
        architectures: Iterable[str],
        *,
        tag: str,
        index: bool = True,
        marker: str = "test",
    ) -> None:
        """Put a tiny image in: an index of the architectures, or the one image alone.

        :param marker: tells it from others of the same name.

        It has one layer, an empty tar: engines refuse to show an image without any.
        """
        repository = f"kolla/{name}"
        entries = []
        for architecture in architectures:
            tar = _layer(architecture)
            layer = gzip.compress(tar, mtime=0)
            config = json.dumps(
                {
                    "architecture": architecture,
                    "os": "linux",
                    "config": {"Labels": {"io.kollarm.test": name}, "Cmd": ["/wait"]},
                    "rootfs": {"type": "layers", "diff_ids": [_digest(tar)]},
                    "history": [{"created_by": marker}],
                }
            ).encode()
            for blob in (layer, config):
                self._blob(repository, blob)
            manifest = json.dumps(
                {
                    "schemaVersion": 2,
                    "mediaType": OCI_MANIFEST,
                    "config": _descriptor(OCI_CONFIG, config),
                    "layers": [_descriptor(OCI_LAYER, layer)],
                }
            ).encode()
            self._manifest(repository, _digest(manifest) if index else tag, manifest, OCI_MANIFEST)
            platform = {"os": "linux", "architecture": architecture}
            entries.append(_descriptor(OCI_MANIFEST, manifest) | {"platform": platform})
        if index:
            listed = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
            self._manifest(repository, tag, json.dumps(listed).encode(), OCI_INDEX)

    def _blob(self, repository: str, content: bytes) -> None:
        started = requests.post(f"http://{self.address}/v2/{repository}/blobs/uploads/", timeout=30)
        started.raise_for_status()
        requests.put(
            started.headers["Location"],
            params={"digest": _digest(content)},
            data=content,
            timeout=30,
        ).raise_for_status()

    def _manifest(self, repository: str, reference: str, content: bytes, kind: str) -> None:
        requests.put(
            f"http://{self.address}/v2/{repository}/manifests/{reference}",
            data=content,
            headers={"Content-Type": kind},
            timeout=30,
        ).raise_for_status()


#: ELF's number of each architecture, and machine code: one sleeps for ever
#: (pause() in a loop; ppoll() of nothing without a timeout), one ends with status 0.
_CODE = {
    "amd64": (62, "b8220000000f05ebf7", "31ffb83c0000000f05"),
    "arm64": (
        183,
        "280980d2 000080d2 010080d2 020080d2 030080d2 010000d4 faffff17",
        "a80b80d2 000080d2 010000d4",
    ),
}


def program(architecture: str, *, waits: bool) -> bytes:
    """A whole ELF program (elf(5): a header, one segment, the code)."""
    machine, waiting, ending = _CODE[architecture]
    code = bytes.fromhex(waiting if waits else ending)
    base, headers = 0x400000, 64 + 56
    size = headers + len(code)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = struct.pack(
        "<HHIQQQIHHHHHH", 2, machine, 1, base + headers, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return ident + header + segment + code


def _layer(architecture: str) -> bytes:
    """A tar with as much of a Kolla image as kolla-ansible needs of a running container."""
    content = {
        "architecture": (architecture.encode(), 0o644),
        "wait": (program(architecture, waits=True), 0o755),
        "etc/passwd": (b"root:x:0:0:root:/:/\n", 0o644),
        # A second deploy asks by ``kolla_set_configs --check`` for changes: none.
        "usr/local/bin/kolla_set_configs": (program(architecture, waits=False), 0o755),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (data, mode) in content.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), mode
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _descriptor(kind: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "size": len(content), "digest": _digest(content)}


@contextmanager
def systemd_standin(folder: Path) -> Iterator[str]:
    """A bus with the stand-in for systemd on it; gives the bus's address."""
    folder.mkdir(parents=True, exist_ok=True)
    socket = Path(tempfile.mkdtemp(prefix="bus-")) / "socket"  # a socket's path must be short
    config = folder / "bus.conf"
    config.write_text(
        f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path={socket}</listen>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/>
<allow own="*"/><allow user="*"/></policy></busconfig>
"""
    )
    address = f"unix:path={socket}"
    bus = subprocess.Popen(["dbus-daemon", f"--config-file={config}", "--nofork"])
    try:
        for _ in range(100):
            if socket.exists():
                break
            time.sleep(0.05)
        standin = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("systemd_standin.py"))],
            env=dict(os.environ) | {"DBUS_SYSTEM_BUS_ADDRESS": address},
            stdout=subprocess.PIPE,
        )
        try:
            assert standin.stdout is not None
            assert standin.stdout.readline() == b"ready\n"
            yield address
        finally:
            standin.terminate()
            standin.wait(10)
    finally:
        bus.terminate()
        bus.wait(10)
        shutil.rmtree(socket.parent)


def python_on(address: str, folder: Path) -> Path:
    """A Python whose programs see that bus, also behind sudo, which clears the environment."""
    wrapper = folder / "python"
    wrapper.write_text(f'#!/bin/sh\nDBUS_SYSTEM_BUS_ADDRESS={address} exec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    return wrapper


@contextmanager
def containers(*names: str) -> Iterator[None]:
    """Have containers' names for this test alone; they, and their units, are gone afterwards."""
    with lock.locked(Path(tempfile.gettempdir()) / "kollarm-test-containers.lock"):
        taken = docker("ps", "-aq", *(f"--filter=name=^{name}$" for name in names))
        assert not taken, "a kolla host's own containers run here"
        try:
            yield
        finally:
            for name in names:
                remove(name)


def remove(name: str) -> None:
    """Take a container and its systemd unit away, where there are any."""
    subprocess.run(["docker", "rm", "-f", name], capture_output=True, check=False)
    Path(f"/etc/systemd/system/kolla-{name}-container.service").unlink(missing_ok=True)


def docker(*arguments: str) -> str:
    """What a docker command prints."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
