"""Sections of kolla-build.conf and quilt patches, merged from several overlays."""

from __future__ import annotations

import configparser
import re
from collections.abc import Sequence
from pathlib import Path

from builder.facts import ImageFiles
from builder.overlays.model import KOLLA_BUILD, Overlay
from core.errors import ConfigError, Fault

Settings = dict[str, dict[str, str]]


def read(overlay: Overlay) -> Settings:
    """An overlay's kolla-build.conf: section → (option → value).

    The location of a ``type = local`` source is taken from the overlay's folder.

    :raises ConfigError: it is not an INI file.
    """
    path = overlay.folder / KOLLA_BUILD
    if not path.is_file():
        return {}
    parser = configparser.ConfigParser(interpolation=None, default_section="\0")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
    except configparser.Error as error:
        line = getattr(error, "lineno", None)
        place = f"{path}:{line}" if line else str(path)
        raise ConfigError(
            f"overlay {overlay.name} can't be read", [Fault(place, error.message.splitlines()[0])]
        ) from error
    settings = {section: dict(parser[section]) for section in parser.sections()}
    for options in settings.values():
        if options.get("type") == "local" and "location" in options:
            options["location"] = str((overlay.folder / Path(options["location"])).resolve())
    return settings


def place_of(overlay: Overlay, section: str, option: str | None = None) -> str:
    """The place of a section, or of an option in it: the file and its line."""
    path = overlay.folder / KOLLA_BUILD
    place, inside = str(path), False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("["):
            inside = line.strip() == f"[{section}]"
            if inside:
                place = f"{path}:{number}"
        elif inside and option is not None and re.match(rf"{re.escape(option)}\s*[=:]", line):
            return f"{path}:{number}"
    return place


def merge(overlays: Sequence[Overlay]) -> Settings:
    """All overlays' sections in one.

    :raises ConfigError: two overlays set an option to different values, and the
        later one doesn't list ``section.option`` under ``replaces``.
    """
    merged: Settings = {}
    setter: dict[tuple[str, str], Overlay] = {}
    faults: list[Fault] = []
    for overlay in overlays:
        try:
            settings = read(overlay)
        except ConfigError as error:
            faults += error.faults
            continue
        for section, options in settings.items():
            for option, value in options.items():
                place = (section, option)
                earlier = setter.get(place)
                known = merged.setdefault(section, {})
                if (
                    earlier is not None
                    and known[option] != value
                    and f"{section}.{option}" not in overlay.description.replaces
                ):
                    faults.append(
                        Fault(
                            place_of(overlay, section, option),
                            f"[{section}] {option} is also set by overlay {earlier.name}",
                            f"name {section}.{option} under replaces: in overlay.yml",
                        )
                    )
                known[option] = value
                setter[place] = overlay
    if faults:
        raise ConfigError("the overlays' kolla-build.conf files contradict each other", faults)
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
