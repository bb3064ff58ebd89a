"""Selecting guests of a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.config.base import Architecture
from core.config.model import Config, Guest, GuestSource
from core.errors import ConfigError
from core.suggest import nearest_or_known

#: Suffixes that only image files have.
_SUFFIXES = (".qcow2", ".img", ".raw")


def choose(config: Config, names: Sequence[str]) -> list[Guest]:
    """The guests with these names; all guests if there are no names.

    :raises ConfigError: the configuration has no guests, or none with such a name.
    """
    if not config.guests:
        raise ConfigError(
            "the configuration has no guests", hint="add a guests: section, see docs/guests.md"
        )
    known = {guest.name: guest for guest in config.guests}
    for name in names:
        if name not in known:
            raise ConfigError(
                f"the configuration has no guest {name!r}",
                hint=nearest_or_known(name, known),
            )
    return [known[name] for name in names] if names else list(config.guests)


def is_path(word: str) -> bool:
    """Whether a word names an image file rather than a guest of the configuration."""
    path = Path(word)
    return path.is_file() or "/" in word or path.suffix in _SUFFIXES


def output(config: Config, guest: Guest) -> Path:
    """The path of a guest's prepared image."""
    return config.state_dir / "guests" / f"{guest.name}.qcow2"


def of_file(
    image: Path, name: str | None = None, architecture: Architecture = Architecture.AARCH64
) -> Guest:
    """A guest for an image file that is not in the configuration.

    :param name: the image's name in Glance; default: the file's, without its suffix.
    """
    source = GuestSource(path=image)
    return Guest(name=name or image.stem, source=source, architecture=architecture)
