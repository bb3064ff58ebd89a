"""The release's templates with the configuration's overlays, rendered for its architectures."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from builder.context import certificates
from builder.facts import RenderedTree
from builder.kolla import releases
from builder.kolla.render import render
from builder.kolla.request import RenderRequest
from builder.kolla.toolchain import toolchain
from builder.overlays.combine import combine
from builder.overlays.model import Overlay
from core import trust
from core.config.model import Architecture, Config


def render_all(
    config: Config, overlays: Sequence[Overlay], architectures: Sequence[Architecture]
) -> dict[Architecture, RenderedTree]:
    """The rendered templates for each architecture.

    :raises KollarmError: a template doesn't render.
    :raises ConfigError: the overlays contradict each other, or the release.
    """
    kolla = toolchain(releases.find(config.release), config.build.kolla)
    requests = requests_of(config, overlays, architectures)
    with ThreadPoolExecutor(len(requests)) as pool:
        trees = list(pool.map(lambda request: render(kolla, request), requests))
    return dict(zip(architectures, trees, strict=True))


def requests_of(
    config: Config, overlays: Sequence[Overlay], architectures: Sequence[Architecture]
) -> list[RenderRequest]:
    """What has to be rendered for each architecture.

    :raises ConfigError: the overlays contradict each other, or the release.
    """
    authorities = certificates.extra(trust.bundle(config.ca_bundle))
    requests = []
    for architecture in architectures:
        changes = combine(
            overlays,
            release=config.release,
            distro=config.build.distro,
            architecture=architecture,
            variables=config.build.overlay_variables,
            ca_certificates=authorities,
        )
        requests.append(RenderRequest(architecture, config.build.distro, changes))
    return requests
