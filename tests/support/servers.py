"""Waiting for servers that tests start."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import psutil

from core.run import end


def free_port() -> int:
    """A TCP port of loopback that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until a server that was just started listens on a port of loopback.

    :raises AssertionError: it ended, or doesn't within a minute; with what it logged.
    """
    limit = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None and time.monotonic() < limit, log.read_text()
        time.sleep(0.1)


def stop_engine(process: subprocess.Popen[bytes], exec_root: Path) -> None:
    """End a dockerd, and undo the mount of a network namespace that it leaves."""
    end(process)
    if (exec_root / "netns/default").exists():
        subprocess.run(["umount", "--quiet", exec_root / "netns/default"], check=False)


def unmount_below(folder: Path) -> None:
    """Undo the mounts that an engine left below its folder."""
    mounts = [part.mountpoint for part in psutil.disk_partitions(all=True)]
    for mount in sorted(one for one in mounts if one.startswith(f"{folder}/"))[::-1]:
        subprocess.run(["umount", "--lazy", mount], check=False)
