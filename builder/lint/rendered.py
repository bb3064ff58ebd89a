"""Overlays rendered by the release's own Kolla, for each architecture they are built for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from builder.facts import RenderedTree
from builder.kolla.releases import spans
from builder.lint import architectures
from builder.overlays.model import Overlay
from builder.rendering import render_all
from core.config.model import Architecture, Build, Config, Distro
from core.errors import ConfigError, Fault, KollarmError

#: Stands for a variable that the configuration has to set.
PLACEHOLDER = "KOLLARM-VALUE"


@dataclass
class RenderedOverlays:
    """Overlays that were rendered together."""

    overlays: tuple[Overlay, ...]
    trees: dict[Architecture, RenderedTree] = field(default_factory=dict)
    """For each architecture; empty when they don't render."""
    faults: list[Fault] = field(default_factory=list)
    """Why they don't."""
    places: list[str] = field(default_factory=list)
    """Of the marks at architectures' names in the trees."""


def rendered(
    release: str,
    build: Build | None,
    chosen: Sequence[Overlay],
    others: Sequence[Overlay],
    *,
    configured: bool,
) -> list[RenderedOverlays]:
    """Render the chosen overlays together, and the others.

    The others are rendered all at once if they don't contradict each other, which saves time;
    else, or where that fails, each by itself.

    :param build: the configuration's images: their distribution, architectures and variables.
    :param configured: the chosen overlays are the configuration's, with all their variables.
    """
    exact = configured and build is not None
    found = [_together(release, build, chosen, exact=exact)] if chosen else []
    for distro, overlays in _by_distribution(release, build, others).items():
        own = (build or Build()).model_copy(update={"distro": distro})
        all_at_once = _together(release, own, overlays, exact=False)
        if all_at_once.faults and len(overlays) > 1:
            found += [_together(release, own, [one], exact=False) for one in overlays]
        else:
            found.append(all_at_once)
    return found


def _by_distribution(
    release: str, build: Build | None, overlays: Sequence[Overlay]
) -> dict[Distro, list[Overlay]]:
    usual = (build or Build()).distro
    found: dict[Distro, list[Overlay]] = {}
    for overlay in overlays:
        scope = overlay.description.applies_to
        if not scope.releases or spans(scope.releases, release):
            distro = usual if not scope.distros or usual in scope.distros else scope.distros[0]
            found.setdefault(distro, []).append(overlay)
    return found


def _together(
    release: str, build: Build | None, overlays: Sequence[Overlay], *, exact: bool
) -> RenderedOverlays:
    result = RenderedOverlays(tuple(overlays))
    variables = dict(build.overlay_variables) if build else {}
    if not exact:
        declared = {
            name: variable
            for overlay in overlays
            for name, variable in overlay.description.variables.items()
        }
        missing = {name: PLACEHOLDER for name, one in declared.items() if one.default is None}
        variables = missing | {name: variables[name] for name in variables if name in declared}
    own = (build or Build()).model_copy(update={"overlay_variables": variables})
    marked, result.places = architectures.marked(overlays)
    try:
        result.trees = render_all(Config(release=release, build=own), marked, list(own.engines))
    except ConfigError as error:
        result.faults = list(error.faults) or [_fault(overlays, error)]
    except KollarmError as error:
        result.faults = [_fault(overlays, error)]
    return result


def _fault(overlays: Sequence[Overlay], error: KollarmError) -> Fault:
    where = str(overlays[0].folder) if len(overlays) == 1 else "the overlays together"
    return Fault(where, error.message)
