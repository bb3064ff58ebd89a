"""Kolla's images built with native tools are those that emulation makes, entry by entry.

Compiled wheels are in test_native_build.py: here pip's temporary folders would be in their
debug information, other ones in each build.
"""

from __future__ import annotations

import re
import subprocess

import pytest

from builder import pipeline
from builder.request import BuildRequest
from core.config.model import NativeTools
from tests.support import image_trees, small_service
from tests.support.emulated_image import foreign
from tests.support.project import Project

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.full,
    pytest.mark.timeout(4 * 3600),  # images without native tools
]

#: What holds times: dpkg's and apt's logs, and ldconfig's cache of files' times.
TIMES = re.compile(
    r"var/log/(alternatives|dpkg|apt/(history|term))\.log|var/log/apt/eipp\.log\.xz"
    r"|var/cache/ldconfig/aux-cache"
)
IMAGES = ("base", "openvswitch-vswitchd")


@pytest.fixture(scope="module")
def tags(project: Project) -> list[str]:
    """The tags of both builds, the emulated one first."""
    made = []
    for choice in (NativeTools.OFF, NativeTools.AUTO):
        config = small_service.config(project, foreign(), native_tools=choice, tag=str(choice))
        request = BuildRequest(config, images=IMAGES, force=True)
        pipeline.build(request).raise_for_failures()
        made.append(f"{choice}-{foreign()}")
    return made


@pytest.mark.parametrize("image", IMAGES)
def test_every_entry_is_the_same(image: str, tags: list[str], project: Project) -> None:
    emulated, native = (f"{project.registry.address}/kolla/{image}:{tag}" for tag in tags)
    found = image_trees.differences(emulated, native, foreign().platform)
    assert [path for path in found if not TIMES.fullmatch(path)] == []


@pytest.mark.parametrize("image", IMAGES)
def test_every_package_is_the_same(image: str, tags: list[str], project: Project) -> None:
    listed = [
        subprocess.run(
            ["docker", "run", "--rm", "--platform", foreign().platform,
             f"{project.registry.address}/kolla/{image}:{tag}", "dpkg-query", "--show"],
            capture_output=True, text=True, check=True,
        ).stdout
        for tag in tags
    ]  # fmt: skip
    assert listed[0] == listed[1] != ""
