"""Counting what a host pulls."""

from __future__ import annotations

from core.config.model import Architecture
from testbed.pulls import PulledImage, counted


def test_a_layer_of_several_images_is_pulled_once() -> None:
    base, own = ("sha256:base", 1000), ("sha256:own", 10)
    images = [
        PulledImage("nova-compute", 3, (base, ("sha256:compute", 100))),
        PulledImage("nova-ssh", 4, (base, own, own)),
    ]
    host = counted(Architecture.AARCH64, "compute", images)
    assert (host.images, host.layers) == (2, 3)
    assert host.size == 3 + 4 + 1000 + 100 + 10
    assert host.unshared == 3 + 4 + 2 * 1000 + 100 + 10 + 10
    # registry, tag, index, manifest and configuration of each image
    assert host.requests == 2 * 5 + 3


def test_a_host_without_images_pulls_nothing() -> None:
    assert counted(Architecture.X86_64, "", []).requests == 0
