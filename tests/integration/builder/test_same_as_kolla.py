"""kollarm's images are those that kolla-build makes of the same base image.

2026.1's kolla-build uses the engine's classic builder, 2026.2's BuildKit.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from builder import pipeline
from builder.request import BuildRequest
from core.oci.model import LABEL
from tests.support import buildkit, image_trees, kolla_builds
from tests.support.project import Project

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.full]

#: What holds times.
TIMES = re.compile(
    r"var/log/(alternatives|dpkg|apt/(history|term))\.log|var/log/apt/eipp\.log\.xz"
    r"|var/cache/ldconfig/aux-cache"
)
IMAGES = ("base", "cron")
#: A time, and what is the tag in kolla-build's and the release in ours: the same by default.
OTHERS = ("org.opencontainers.image.created", "org.opencontainers.image.version")
#: https://github.com/opencontainers/image-spec/blob/main/config.md
SETTINGS = (
    "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels",
    "StopSignal", "ArgsEscaped", "Healthcheck", "OnBuild", "Shell",
)  # fmt: skip


@pytest.fixture(scope="module", params=["2026.1", "2026.2"])
def theirs(request: Any, project: Project, tmp_path_factory: Any) -> Iterator[str]:
    """The namespace of kolla-build's images."""
    folder: Path = tmp_path_factory.mktemp("kolla")
    config = project.config()
    # the other overlays bring files, which kolla-build has no place for
    build = config.build.model_copy(update={"overlays": ["debian-archive-only"]})
    config = config.model_copy(update={"build": build, "release": request.param})
    pipeline.build(BuildRequest(config, images=IMAGES)).raise_for_failures()
    environ = dict(os.environ) | buildkit.plugin(folder / "docker")
    subprocess.run(kolla_builds.command(config, folder, *IMAGES), env=environ, check=True)
    yield kolla_builds.NAMESPACE
    client = docker.from_env()
    for image in reversed(IMAGES):
        client.images.remove(f"{kolla_builds.NAMESPACE}/{image}:t", force=True)


def ours(project: Project, image: str) -> str:
    return f"{project.registry.address}/kolla/{image}:t-x86_64"


@pytest.mark.parametrize("image", IMAGES)
def test_every_entry_is_the_same(image: str, theirs: str, project: Project) -> None:
    found = image_trees.differences(f"{theirs}/{image}:t", ours(project, image), "linux/amd64")
    assert [path for path in found if not TIMES.fullmatch(path)] == []


@pytest.mark.parametrize("image", IMAGES)
def test_every_setting_is_the_same(image: str, theirs: str, project: Project) -> None:
    """Labels, variables, user, command: all that the image's configuration says."""

    def settings(reference: str) -> dict[str, Any]:
        shown = subprocess.run(
            ["docker", "image", "inspect", "--format", "{{json .Config}}", reference],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found: dict[str, Any] = json.loads(shown.stdout)
        for label in (LABEL, *OTHERS):
            found["Labels"].pop(label, None)
        # what a builder says about the container of its last step is no setting
        return {name: found[name] for name in SETTINGS if found.get(name)}

    assert settings(f"{theirs}/{image}:t") == settings(ours(project, image))
