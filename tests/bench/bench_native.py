"""What an aarch64 image costs on an x86_64 engine, with native tools, against an x86_64 one."""

from __future__ import annotations

import shutil
from pathlib import Path

from builder import pipeline
from builder.request import BuildRequest
from core.config.load import load
from core.config.model import Architecture
from tests.bench.measure import Pair, Samples, at_most, measure
from tests.bench.projects import project
from tests.support.emulated_image import foreign
from tests.support.small_service import CONSTRAINTS

#: From Debian's archive and PyPI alone.
IMAGES = """images: [{images}]
  sources:
    openstack-base: {{path: constraints}}
    kolla-toolbox: {{path: constraints}}
    nova-base: {{pypi: nova==33.0.2}}
    neutron-base: {{pypi: neutron==28.0.2}}
    "*-plugin-*": {{enabled: false}}
  engines: {{x86_64: {{url: local}}, aarch64: {{url: local}}}}"""
OVERLAYS = ("ca-certificates", "debian-archive-only", "collections-from-pypi")
COMPUTE = (
    "cron", "kolla-toolbox", "nova-compute", "nova-libvirt", "nova-ssh", "openvswitch-db-server",
    "openvswitch-vswitchd", "neutron-openvswitch-agent",
)  # fmt: skip


def built(path: Path, *images: str) -> Pair:
    """Seconds of images with their parents, of an emulated architecture and of the machine's own.

    One architecture after the other, nothing from the engine's layer cache; the roots that
    ``base`` starts from are there.
    """
    config, emulated = load(path), foreign()
    own = next(one for one in Architecture if one is not emulated)
    pipeline.build(BuildRequest(config, images=["base"])).raise_for_failures()
    took = []
    for architecture in (emulated, own):
        request = BuildRequest(config, images=images, architectures=[architecture], force=True)
        record = pipeline.build(request)
        record.raise_for_failures()
        took.append(record.seconds)
    return Pair(*took)


@measure(
    compared="`openstack-base` (181 Python packages) with its parent for aarch64 on x86_64, with "
    "native tools, against x86_64",
    goal=at_most(1.6),
)
def openstack_base(folder: Path) -> Samples:
    """apt, dpkg, pip and the compiler at work."""
    with project(folder, IMAGES.format(images="openstack-base"), OVERLAYS) as (path, _):
        constraints(folder)
        yield built(path, "openstack-base")


@measure(
    compared="the images of a compute host with their parents for aarch64 on x86_64, with native "
    "tools, against x86_64",
    goal=at_most(2),
)
def compute_set(folder: Path) -> Samples:
    """What an ARM compute host pulls."""
    with project(folder, IMAGES.format(images=", ".join(COMPUTE)), OVERLAYS) as (path, _):
        constraints(folder)
        yield built(path, *COMPUTE)


def constraints(folder: Path) -> None:
    (folder / "constraints").mkdir()
    shutil.copy(CONSTRAINTS, folder / "constraints" / "upper-constraints.txt")
