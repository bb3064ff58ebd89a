"""The guests of a configuration and how far they are, and the images in the catalogue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from core.addresses import without_user
from core.config.model import Config, Guest
from core.progress import size
from core.tables import table
from guestprep import record
from guestprep.source.catalogue import CATALOGUE
from kollarm.guests import boots, selection


@dataclass(frozen=True)
class GuestState:
    """A guest of the configuration, and what earlier runs made of it."""

    name: str
    source: str
    """The catalogue's name of the image, or its URL or path."""
    image: Path
    """Where the prepared image is, or will be."""
    system: str = ""
    """Distribution and release, as its preparation found them; empty before."""
    size: int | None = None
    """Bytes of the prepared image; None if there is none."""
    console: str = ""
    """What the last boot of this image showed; empty if it wasn't booted."""

    def to_dict(self) -> dict[str, object]:
        return {**vars(self), "image": str(self.image), "prepared": self.size is not None}


@dataclass(frozen=True)
class GuestList:
    """All guests of a configuration."""

    guests: tuple[GuestState, ...]

    def to_dict(self) -> dict[str, object]:
        return {"guests": [guest.to_dict() for guest in self.guests]}

    def to_text(self) -> str:
        rows = [
            [
                one.name,
                one.source,
                "prepared" if one.size is not None else "not prepared",
                one.system,
                size(one.size) if one.size is not None else "",
                one.console,
            ]
            for one in self.guests
        ]
        return table("Guests", ["guest", "source", "state", "system", "size", "console"], rows)


@dataclass(frozen=True)
class CatalogueList:
    """The images that ``source.image`` knows."""

    def to_dict(self) -> dict[str, object]:
        return {
            "images": [
                {"name": name, "url": image.url(image.file), "keyring": str(image.keyring)}
                for name, image in CATALOGUE.items()
            ]
        }

    def to_text(self) -> str:
        rows = [[name, image.url(image.file)] for name, image in CATALOGUE.items()]
        return table("Images for source.image", ["name", "address"], rows)


def list_guests(config: Config) -> GuestList:
    """The guests of a configuration.

    :raises ConfigError: there are none.
    """
    return GuestList(tuple(_state(config, guest) for guest in selection.choose(config, ())))


def _state(config: Config, guest: Guest) -> GuestState:
    image = selection.output(config, guest)
    source = str(guest.source.image or guest.source.url or guest.source.path)
    state = GuestState(guest.name, without_user(source), image)
    prepared = record.beside(image)
    if prepared is None or not image.exists():
        return state
    boot = boots.earlier(*boots.of_result(guest, image, prepared))
    return replace(
        state,
        system=f"{prepared.distribution} {prepared.release}".strip(),
        size=prepared.size,
        console=boot.report.state.value if boot else "",
    )
