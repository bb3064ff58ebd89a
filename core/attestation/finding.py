"""What verifying finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AttestationFinding:
    """One thing that should be told of an index or a guest image, and whether it is, rightly.

    :ivar reference: the index's or the image file's name.
    :ivar what: the sort of thing: ``provenance``, ``bill of materials``, ``signature``.
    :ivar subject: the digest that it is about.
    """

    reference: str
    what: str
    subject: str
    good: bool
    text: str

    def to_json(self) -> dict[str, object]:
        return dict(vars(self))
