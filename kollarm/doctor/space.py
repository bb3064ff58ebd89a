"""Free space on the disks for what the configuration needs, by file system."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests

from builder.engines.docker import DockerEngine
from builder.engines.places import PODMAN
from builder.engines.protocol import EngineError
from core.config.model import Config, Guest
from core.paths import cache_dir
from core.progress import size
from kollarm.doctor.model import DoctorFinding, good, missing

MIB = 1 << 20

#: Measured with 2026.1 on Debian: a root is 270 to 310 MB in the engine, an image of a service
#: adds 1 to 400 MB there (openstack-base the most) and about half of that in a registry.
ROOT, IMAGE, PUSHED = 320 * MIB, 250 * MIB, 120 * MIB
#: Root tarballs of two architectures, Kolla's and Glance's virtual environments, renderings.
CACHE = 3 << 30
#: libguestfs's appliance, below /var/tmp.
APPLIANCE = 600 * MIB
#: A guest's source whose size is not known.
SOURCE = 1 << 30
#: What has to stay free.
RESERVE = 500 * MIB


@dataclass(frozen=True)
class Need:
    """The space that a run may use in a folder, roughly."""

    what: str
    folder: Path
    bytes: int


#: Engines that are usually on this machine.
HERE = ("local", PODMAN)


def needs(config: Config) -> list[Need]:
    """The space that a full run may use, by folder; existing files are not subtracted."""
    images, architectures = len(config.build.images), len(config.build.engines)
    result = [Need("cache", cache_dir(), CACHE)]
    if (folder := _engine_folder(config)) is not None:
        local = sum(engine.url in HERE for engine in config.build.engines.values())
        result.append(Need("container engine", folder, local * (ROOT + images * IMAGE)))
    if config.registry.embedded:
        pushed = architectures * images * PUSHED
        result.append(Need("embedded registry", config.state_dir, pushed))
    if config.guests:
        result.append(Need("libguestfs's appliance", Path("/var/tmp"), APPLIANCE))
    for guest in config.guests:
        # the result, the changes while it is made, and the upload to an embedded Glance
        copies = 3 if config.cloud.embedded else 2
        result.append(
            Need(f"guest {guest.name}", config.state_dir, copies * source_size(guest) + 200 * MIB)
        )
    return result


def source_size(guest: Guest) -> int:
    """Bytes of a guest's source: of its file, or as its server says."""
    source = guest.source
    try:
        if source.path is not None:
            return source.path.stat().st_size
        if source.url is not None:
            answer = requests.head(str(source.url), allow_redirects=True, timeout=10)
            return int(answer.headers["Content-Length"]) if answer.ok else SOURCE
    except (OSError, ValueError, KeyError):
        pass
    return SOURCE


def _engine_folder(config: Config) -> Path | None:
    urls = [engine.url for engine in config.build.engines.values() if engine.url in HERE]
    if not urls:
        return None
    try:
        folder = Path(DockerEngine(urls[0]).info().folder)
    except EngineError:
        return None
    return folder if folder.is_dir() else None


def space(config: Config) -> Iterator[DoctorFinding]:
    """Check for each file system that what is needed on it fits."""
    by_device: dict[int, list[Need]] = {}
    for need in needs(config):
        by_device.setdefault(_existing(need.folder).stat().st_dev, []).append(need)
    for together in by_device.values():
        yield judge(together, psutil.disk_usage(str(_existing(together[0].folder))).free)


def judge(needs: list[Need], free: int) -> DoctorFinding:
    """Check that needs that share a file system fit into its free space."""
    total = sum(need.bytes for need in needs)
    shares = ", ".join(f"{need.what} {size(need.bytes)}" for need in needs)
    place = _mount_point(_existing(needs[0].folder))
    text = f"{place}: {size(free)} free, about {size(total)} needed ({shares})"
    if free < total + RESERVE:
        return missing(
            "disk space",
            text,
            f"free {size(total + RESERVE - free)} more, or move a folder: state_dir, "
            "KOLLARM_CACHE, LIBGUESTFS_CACHEDIR, the engine's data-root",
        )
    return good("disk space", text)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def _mount_point(folder: Path) -> Path:
    while not os.path.ismount(folder):
        folder = folder.parent
    return folder
