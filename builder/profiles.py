"""Which images are wanted: those named, and those that hosts of each architecture will pull."""

from __future__ import annotations

from collections.abc import Sequence

from kollarm.config.model import Architecture, Config
from kollarm.deploy.images import images_for
from kollarm.deploy.releases import find
from kollarm.deploy.toolchain import release_tree

#: What is built where the configuration names neither images nor profiles.
DEFAULT = ("base", "cron", "memcached")


def wanted(config: Config, architectures: Sequence[Architecture]) -> dict[Architecture, list[str]]:
    """The names and patterns of the images to build for each architecture.

    :raises ConfigError: kollarm doesn't know which images the release's hosts pull.
    :raises Undetermined: a service's switch can't be worked out.
    """
    build = config.build
    if not build.profiles:
        return {one: build.images or list(DEFAULT) for one in architectures}
    return {
        one: list(dict.fromkeys([*build.images, *pulled(config, one)])) for one in architectures
    }


def pulled(config: Config, architecture: Architecture) -> tuple[str, ...]:
    """The images that kolla-ansible pulls on hosts with the architecture's profiles."""
    profiles = config.build.profiles.get(architecture)
    if not profiles:
        return ()
    variables: dict[str, object] = {"kolla_base_distro": config.build.distro.value}
    if architecture is Architecture.AARCH64 and not find(config.release).fluentd_on_arm:
        variables["enable_fluentd"] = False
    variables |= dict(config.deploy.globals) if config.deploy else {}
    variables |= config.build.services
    return images_for(
        release_tree(config.release), [one.value for one in profiles], variables, architecture
    )
