"""A listing of the overlays that exist, with whether the configuration chooses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.overlays.model import Overlay, available, read
from core.text_output import joined_lines


@dataclass(frozen=True)
class OverlayList:
    """Overlays, each with whether the configuration chooses it."""

    overlays: tuple[tuple[Overlay, bool], ...]

    def to_dict(self) -> list[dict[str, object]]:
        return [
            {
                "name": overlay.name,
                "chosen": chosen,
                "folder": str(overlay.folder),
                **overlay.description.model_dump(mode="json"),
            }
            for overlay, chosen in self.overlays
        ]

    def to_text(self) -> str:
        """Three lines or more for each overlay; a star marks those that are chosen."""
        lines = []
        for overlay, chosen in self.overlays:
            lines.append(f"{'*' if chosen else ' '} {overlay.name}: {scope(overlay)}")
            lines.append(f"    {' '.join(overlay.description.description.split())}")
            for name, variable in overlay.description.variables.items():
                default = "required" if variable.default is None else repr(variable.default)
                lines.append(f"    {name} ({default}): {variable.description}")
        return joined_lines(lines)


def scope(overlay: Overlay) -> str:
    """Where an overlay applies, in words."""
    where = overlay.description.applies_to
    parts = [*where.releases, *where.distros, *where.architectures, *where.images]
    return ", ".join(parts) if parts else "everywhere"


def list_overlays(folders: Sequence[Path], chosen: Sequence[str] = ()) -> OverlayList:
    """Every overlay in the search folders.

    :raises ConfigError: one can't be read.
    """
    overlays = [read(folder) for folder in available(folders).values()]
    return OverlayList(tuple((overlay, overlay.name in chosen) for overlay in overlays))
