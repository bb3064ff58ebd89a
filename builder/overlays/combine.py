"""The changes of several overlays combined into those of one rendering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from builder.kolla.request import TemplateChanges
from builder.overlays import package_sources
from builder.overlays.compose import compose
from builder.overlays.model import Overlay
from builder.overlays.settings import merge, series
from core.config.model import Architecture, Distro
from core.errors import ConfigError, Fault
from core.suggest import nearest_or_known


def combine(
    overlays: Sequence[Overlay],
    *,
    release: str,
    distro: Distro,
    architecture: Architecture,
    variables: Mapping[str, str],
    ca_certificates: Mapping[str, bytes],
) -> TemplateChanges:
    """Combine the overlays that apply to a release, distribution and architecture.

    :param variables: the configuration's ``overlay_variables``.
    :param ca_certificates: file name → PEM, for overlays that ask for them.
    :raises ConfigError: contradictions, unknown variables, missing values or files.
    """
    check_variables(overlays, variables)
    applying = [o for o in overlays if o.applies(release, distro, architecture)]
    values: dict[str, object] = {}
    files: dict[str, dict[str, bytes]] = {}
    for overlay in applying:
        for name, variable in overlay.description.variables.items():
            values[name] = variables.get(name, variable.default)
        for image, added in overlay.context_files().items():
            files.setdefault(image, {}).update(added)
        for image in overlay.description.inputs.get("ca_certificates", ()):
            values["ca_certificates"] = sorted(ca_certificates)
            for name, content in ca_certificates.items():
                files.setdefault(image, {})[f"overlays/{overlay.name}/{name}"] = content
    return TemplateChanges(
        override=compose(applying, values),
        files=files,
        settings=merge(applying),
        tree_patches=tuple(
            (overlay.name, patch)
            for overlay in applying
            if (patch := overlay.tree_patch()) is not None
        ),
        repositories=package_sources.merge(applying),
        preferences=package_sources.preferences(applying),
        patches=series(applying),
    )


def check_variables(overlays: Sequence[Overlay], variables: Mapping[str, str]) -> None:
    """Compare the configuration's variables with those of the chosen overlays.

    :raises ConfigError: one is set that no overlay has, or one without default isn't set.
    """
    known = {name for overlay in overlays for name in overlay.description.variables}
    faults = [
        Fault(
            f"build.overlay_variables.{name}",
            "no chosen overlay has this variable",
            nearest_or_known(name, known),
        )
        for name in variables
        if name not in known
    ]
    faults += [
        Fault(
            "build.overlay_variables",
            f"overlay {overlay.name} needs {name}: {variable.description}",
        )
        for overlay in overlays
        for name, variable in overlay.description.variables.items()
        if variable.default is None and name not in variables
    ]
    if faults:
        raise ConfigError("the overlays' variables are wrong", faults)
