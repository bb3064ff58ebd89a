"""Container engines that this machine's distribution doesn't have, for tests."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from core import cache
from core.run import end, run
from tests.support.servers import stop_engine, unmount_below

#: A release of Debian with Docker 28, and its packages.
SUITE = "forky"
PACKAGES = ("docker.io", "docker-cli", "docker-buildx", "base-files")


def _programs() -> Path:
    """A folder with a ``usr`` of that release: made in 20 seconds, once."""

    def make(folder: Path) -> None:
        # unconfigured: no script of the packages is run; a mirror may stand still
        options = ["--variant=extract", "--format=directory", "--mode=root"]
        options.append('--aptopt=Acquire::Check-Valid-Until "false"')
        words = [*options, f"--include={','.join(PACKAGES)}", SUITE]
        run(["mmdebstrap", *words, folder / "root", "http://deb.debian.org/debian"], timeout=600)

    return cache.entry("test-docker", f"{SUITE}-1", make) / "root"


@contextlib.contextmanager
def newest_docker(folder: Path) -> Iterator[str]:
    """A Docker Engine of :data:`SUITE` with the containerd image store; its address.

    It runs with that release's /usr in place of the machine's own, in a mount namespace.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "features": {"containerd-snapshotter": True},
        "data-root": str(folder / "data"),
        "exec-root": str(folder / "run"),
        "pidfile": str(folder / "pid"),
        "hosts": [f"unix://{folder / 'engine'}"],
        # With "bridge: none" it would remove the bridge of the machine's own engine.
        "iptables": False,
        "ip6tables": False,
    }
    (folder / "daemon.json").write_text(json.dumps(settings))
    script = 'mount --bind "$1/usr" /usr && exec /usr/sbin/dockerd --config-file "$2"'
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", script, "sh", _programs(), folder / "daemon.json"],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        limit = time.monotonic() + 60
        while "API listen on" not in (said := (folder / "log").read_text()):
            assert process.poll() is None and time.monotonic() < limit, said
            time.sleep(0.1)
        yield f"unix://{folder / 'engine'}"
    finally:
        stop_engine(process, folder / "run")


#: Podman raises limits, which root may not do in some virtual machines; and of cgroups of the
#: first version some may be missing, which runc passes over.
RUNTIME = """\
#!/usr/bin/python3
import json, os, pathlib, sys
for flag, value in zip(sys.argv, sys.argv[1:]):
    if flag in ("--bundle", "-b"):
        path = pathlib.Path(value, "config.json")
        config = json.loads(path.read_text())
        config["process"].pop("rlimits", None)
        path.write_text(json.dumps(config))
os.execvp("runc", ["runc", *sys.argv[1:]])
"""


@contextlib.contextmanager
def podman(folder: Path) -> Iterator[Path]:
    """A running service of Podman, with images of its own; its socket."""
    folder.mkdir(parents=True, exist_ok=True)
    storage, containers = folder / "storage.conf", folder / "containers.conf"
    address = folder / "podman.sock"
    lines = [f'graphroot = "{folder / "graph"}"', f'runroot = "{folder / "run"}"']
    storage.write_text("\n".join(["[storage]", 'driver = "overlay"', *lines]) + "\n")
    runtime = folder / "runtime"
    runtime.write_text(RUNTIME)
    runtime.chmod(0o755)
    containers.write_text(
        f'[engine]\nruntime = "tests"\n[engine.runtimes]\ntests = ["{runtime}"]\n'
    )
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["podman", "system", "service", "--time=0", f"unix://{address}"],
            stdout=log, stderr=log, start_new_session=True,
            env={
                **os.environ,
                "CONTAINERS_STORAGE_CONF": str(storage),
                "CONTAINERS_CONF": str(containers),
            },
        )  # fmt: skip
    try:
        limit = time.monotonic() + 60
        while not address.is_socket():
            assert process.poll() is None and time.monotonic() < limit, (folder / "log").read_text()
            time.sleep(0.1)
        yield address
    finally:
        end(process)
        unmount_below(folder)
