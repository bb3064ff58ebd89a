"""What becomes of a replaced image that was kept long enough."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ExpiryAction(StrEnum):
    """What is done with a replaced image that was kept long enough."""

    DEACTIVATE = "deactivate"
    DELETE = "delete"


@dataclass(frozen=True)
class Expiry:
    """A replaced image that goes."""

    image_id: str
    action: ExpiryAction
    reason: str
