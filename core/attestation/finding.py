"""What verifying finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AttestationFinding:
    """One thing that should be told of an index or a guest image, and whether it is, rightly."""

    reference: str
    """The index's or the image file's name."""
    what: str
    """The sort of thing: ``provenance``, ``bill of materials``, ``signature``."""
    subject: str
    """The digest that it is about."""
    good: bool
    text: str

    def to_dict(self) -> dict[str, object]:
        return dict(vars(self))
