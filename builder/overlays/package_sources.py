"""Where packages come from, in overlays: changes of Kolla's repos.yaml, and apt's preferences.

Kolla's own file: https://opendev.org/openstack/kolla/src/branch/master/kolla/template/repos.yaml.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from builder.overlays.contradictions import OverlayValues
from builder.overlays.model import PREFERENCES, REPOSITORIES, Overlay
from core.errors import ConfigError, Fault
from core.yaml_faults import YamlFile, dotted

#: Distribution (``debian``, ``debian-aarch64``, ``deb``) → repository → its keys (``url``).
Repositories = dict[str, dict[str, dict[str, str | bool | int]]]

_SHAPE = TypeAdapter(Repositories)


def read(folder: Path) -> Repositories:
    """An overlay's repos.yaml; empty when there is none.

    :raises ConfigError: it is not YAML, or has another shape.
    """
    path = folder / REPOSITORIES
    if not path.is_file():
        return {}
    file = YamlFile(path.read_text(encoding="utf-8"), path)
    try:
        return _SHAPE.validate_python(file.data, strict=True)
    except ValidationError as error:
        faults = [
            Fault(file.where(tuple(one["loc"])), "must be DISTRIBUTION: {REPOSITORY: {KEY: VALUE}}")
            for one in error.errors()[:1]
        ]
        raise ConfigError(f"overlay {folder.name} can't be read", faults) from error


def merge(overlays: Sequence[Overlay]) -> Repositories:
    """All overlays' changes in one.

    :raises ConfigError: two overlays give a key different values, and the later one doesn't list
        ``DISTRIBUTION.REPOSITORY.KEY`` under ``replaces``.
    """
    merged: Repositories = {}
    values = OverlayValues()
    for overlay in overlays:
        for distribution, repositories in read(overlay.folder).items():
            for name, keys in repositories.items():
                merged.setdefault(distribution, {}).setdefault(name, {}).update(keys)
                for key, value in keys.items():
                    place = (distribution, name, key)
                    where = partial(_place_of, overlay, place)
                    values.set(overlay, place, value, where=where)
    if values.faults:
        raise ConfigError("the overlays' repos.yaml files contradict each other", values.faults)
    return merged


def _place_of(overlay: Overlay, place: tuple[str, ...]) -> str:
    return f"{overlay.folder / REPOSITORIES}: {dotted(place)}"


def preferences(overlays: Sequence[Overlay]) -> str:
    """All overlays' apt preferences (apt_preferences(5)), each marked with its overlay."""
    parts = []
    for overlay in overlays:
        path = overlay.folder / PREFERENCES
        if path.is_file():
            text = path.read_text(encoding="utf-8").strip()
            parts.append(f"# overlay {overlay.name}\n{text}\n")
    return "\n".join(parts)
