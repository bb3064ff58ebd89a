"""Overlays that are in no folder."""

from __future__ import annotations

from pathlib import Path

from builder.overlays.model import Description, Overlay


def overlay(name: str, template: str | None, **description: object) -> Overlay:
    """An overlay with these keys in its overlay.yml."""
    return Overlay(
        name,
        Path("/overlays") / name,
        Description.model_validate({"description": name, "why": "a test", **description}),
        template,
    )
