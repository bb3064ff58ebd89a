"""Overlays shown to a person: which there are, and what they change in an image."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder import pipeline
from builder.context import dockerfile
from builder.overlays.model import Overlay, available, choose, read
from builder.plan import select
from core.config.model import Architecture, Config


@dataclass(frozen=True)
class OverlayList:
    """The overlays that there are, each with whether the configuration chose it."""

    overlays: tuple[tuple[Overlay, bool], ...]

    def to_dict(self) -> list[dict[str, object]]:
        """The listing as plain data."""
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
        lines = []
        for overlay, chosen in self.overlays:
            lines.append(f"{'*' if chosen else ' '} {overlay.name}: {scope(overlay)}")
            lines.append(f"    {' '.join(overlay.description.description.split())}")
            for name, variable in overlay.description.variables.items():
                default = "required" if variable.default is None else repr(variable.default)
                lines.append(f"    {name} ({default}): {variable.description}")
        return "\n".join(lines)


def scope(overlay: Overlay) -> str:
    """Where an overlay applies, in words."""
    where = overlay.description.applies_to
    parts = [*where.releases, *where.distros, *where.architectures, *where.images]
    return ", ".join(parts) if parts else "everywhere"


def listing(folders: Sequence[Path], chosen: Sequence[str] = ()) -> OverlayList:
    """Every overlay in the search folders.

    :raises ConfigError: one can't be read.
    """
    found = [read(folder) for folder in available(folders).values()]
    return OverlayList(tuple((overlay, overlay.name in chosen) for overlay in found))


def diff(config: Config, image: str, *, project_dir: Path, architecture: Architecture) -> str:
    """A unified diff of an image's Dockerfile, without overlays and with the configuration's.

    :returns: "" when they change nothing in it.
    :raises ConfigError: there is no such image, or an overlay is wrong.
    """
    chosen = choose(config.build.overlays, pipeline.overlay_folders(config, project_dir))

    build = config.build.model_copy(update={"overlay_variables": {}})
    plain = config.model_copy(update={"build": build})

    def lines(config: Config, overlays: Sequence[Overlay]) -> list[str]:
        tree = pipeline.render_all(config, overlays, [architecture])[architecture]
        select({architecture: tree}, {architecture: [image]})
        text = (tree.images[image].context / "Dockerfile").read_text()
        return dockerfile.essence(dockerfile.without_date(text)).splitlines()

    names = f"{image}/Dockerfile", f"{image}/Dockerfile with overlays"
    changes = difflib.unified_diff(lines(plain, []), lines(config, chosen), *names, lineterm="")
    return "".join(f"{line}\n" for line in changes)
