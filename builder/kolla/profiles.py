"""The images to build: those configured, and those that hosts of each architecture will pull."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from core import cache, kolla_ansible
from core.config.model import Architecture, Config

#: The images of a configuration with neither images nor profiles.
DEFAULT = ("base", "cron", "memcached")

#: The code that determines the images: another version of it may give others.
DEPLOY = Path(kolla_ansible.__file__).parent

#: Seconds after which an unused answer is removed.
LIFETIME = 30 * 24 * 3600.0


def wanted(config: Config, architectures: Sequence[Architecture]) -> dict[Architecture, list[str]]:
    """The names and patterns of the images to build for each architecture.

    :raises ConfigError: kollarm doesn't know which images the release's hosts pull.
    :raises Undetermined: a service's switch can't be determined.
    """
    build = config.build
    if not build.profiles:
        return {one: build.images or list(DEFAULT) for one in architectures}
    return {
        one: list(dict.fromkeys([*build.images, *pulled(config, one)])) for one in architectures
    }


def pulled(config: Config, architecture: Architecture) -> tuple[str, ...]:
    """The images that kolla-ansible pulls on hosts with the architecture's profiles.

    Evaluating a release's role files takes a second; the result is cached.
    """
    groups = [one.value for one in config.build.profiles.get(architecture, ())]
    if not groups:
        return ()
    variables: dict[str, object] = {"kolla_base_distro": config.build.distro.value}
    variables |= dict(config.deploy.globals) if config.deploy else {}
    variables |= config.build.services
    inputs = {
        "by": [cache.file_digest(path) for path in sorted(DEPLOY.glob("*.py"))],
        "release": config.release,
        "groups": groups,
        "variables": variables,
        "architecture": architecture.value,
    }

    def make(folder: Path) -> None:
        images = _evaluated(config.release, groups, variables, architecture)
        (folder / "images.json").write_text(json.dumps(images), encoding="utf-8")

    name = f"{config.release}-{architecture}-{cache.digest(inputs)}"
    folder = cache.entry("pulled", name, make, lifetime=LIFETIME)
    return tuple(json.loads((folder / "images.json").read_text(encoding="utf-8")))


def _evaluated(
    release: str, groups: list[str], variables: dict[str, object], architecture: Architecture
) -> tuple[str, ...]:
    # these import Jinja and much else
    from core.kolla_ansible.images import images_for  # noqa: PLC0415
    from core.kolla_ansible.releases import find  # noqa: PLC0415
    from core.kolla_ansible.toolchain import release_tree  # noqa: PLC0415

    if architecture is Architecture.AARCH64 and not find(release).fluentd_on_arm:
        variables = {"enable_fluentd": False} | variables
    return images_for(release_tree(release), groups, variables, architecture)
