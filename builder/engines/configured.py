"""The engines that the configuration names."""

from __future__ import annotations

from collections.abc import Mapping

from builder.engines.buildx import SCHEME, BuildxEngine
from builder.engines.protocol import ImageBuilder
from builder.facts import RenderedTree
from core import progress
from core.config.model import Architecture, Config
from core.errors import ConfigError, Fault
from core.oci.registry import RegistryClient


def connect(
    config: Config,
    architectures: set[Architecture],
    client: RegistryClient,
    *,
    buildkit: bool = False,
) -> dict[Architecture, ImageBuilder]:
    """Connect to the engines of these architectures: once to each, a buildx builder for each.

    :param buildkit: the Dockerfiles suit BuildKit; engines use it where they have it.
    :raises ConfigError: one would insist on TLS with a registry that has none.
    :raises EngineError: one can't be reached, or doesn't build the architecture.
    """
    if not architectures:
        return {}
    from builder.engines.docker import DockerEngine  # noqa: PLC0415 - Docker's SDK takes its time

    engines: dict[str, DockerEngine] = {}
    found: dict[Architecture, ImageBuilder] = {}
    for architecture in sorted(architectures):
        wanted = config.build.engines[architecture]
        if wanted.url.startswith(SCHEME):
            buildx = BuildxEngine(
                wanted.url,
                client,
                insecure=config.registry.insecure,
                layer_cache=f"{config.build.namespace}/layer-cache"
                if config.build.layer_cache
                else None,
            )
            buildx.check(architecture)
            found[architecture] = buildx
        else:
            if wanted.url not in engines:
                insecure = config.registry.address if config.registry.insecure else None
                engine = DockerEngine(
                    wanted.url, tls=wanted.tls, buildkit=buildkit, insecure=insecure
                )
                if insecure is not None and not engine.pushes_to(insecure):
                    raise ConfigError(
                        f"the engine {wanted.url} pushes to {insecure} with TLS only",
                        hint=f'add {{"insecure-registries": ["{insecure}"]}} to '
                        "/etc/docker/daemon.json on its machine, then systemctl reload docker",
                    )
                engines[wanted.url] = engine
                if buildkit and (reason := engine.no_mounts()):
                    progress.current().warn(
                        f"the engine {wanted.url} builds with its classic builder: {reason}"
                    )
            found[architecture] = engines[wanted.url]
    return found


def check_buildkit(config: Config, trees: Mapping[Architecture, RenderedTree]) -> None:
    """See that the release's Dockerfiles suit BuildKit where a buildx builder is configured.

    :raises ConfigError: they don't: its kolla-build has no such option.
    """
    if faults := [
        Fault(
            f"build.engines.{architecture}.url",
            f"Kolla {tree.kolla_version} doesn't build with BuildKit",
            "Kolla 23 (2026.2) and later do; use a container engine for this release",
        )
        for architecture, tree in trees.items()
        if config.build.engines[architecture].url.startswith(SCHEME) and not tree.suits_buildkit
    ]:
        raise ConfigError("this release cannot be built with buildx", faults)
