"""Sections of kolla-build.conf and quilt patches, merged from several overlays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from builder.facts import ImageFiles
from builder.overlays import kolla_build
from builder.overlays.contradictions import OverlayValues
from builder.overlays.kolla_build import Settings
from builder.overlays.model import Overlay
from core.errors import ConfigError


def read(overlay: Overlay) -> Settings:
    """An overlay's kolla-build.conf; the locations of local sources as absolute paths.

    :raises ConfigError: it is not an INI file.
    """
    return kolla_build.sources_in_folder(kolla_build.read(overlay.folder), overlay.folder)


def merge(overlays: Sequence[Overlay]) -> Settings:
    """All overlays' sections in one.

    :raises ConfigError: two overlays set an option to different values, and the
        later one doesn't list ``section.option`` under ``replaces``.
    """
    merged: Settings = {}
    values = OverlayValues()
    for overlay in overlays:
        try:
            settings = read(overlay)
        except ConfigError as error:
            values.faults += error.faults
            continue
        for section, options in settings.items():
            for option, value in options.items():
                merged.setdefault(section, {})[option] = value
                where = partial(kolla_build.place_of, overlay.folder, section, option)
                what = f"[{section}] {option} "
                values.set(overlay, (section, option), value, where=where, what=what)
    if values.faults:
        raise ConfigError(
            "the overlays' kolla-build.conf files contradict each other", values.faults
        )
    return merged


def series(overlays: Sequence[Overlay]) -> ImageFiles:
    """All overlays' patches for files in images, each image's in one quilt series.

    :returns: image → (file name → content), ``series`` among them.
    """
    merged: dict[str, dict[str, bytes]] = {}
    for overlay in overlays:
        for image, patches in overlay.image_patches().items():
            into = merged.setdefault(image, {"series": b""})
            for name, content in patches.items():
                # Kolla remembers applied patches by name, in all of an image's ancestors
                own = f"{overlay.name}-{name}"
                into[own] = content
                into["series"] += f"{own}\n".encode()
    return merged
