"""How old an image's packages are, which a refresh asks.

An image's own creation date doesn't say it, since its steps may have come from the
engine's layer cache; the dates of the steps do, which the image's config keeps:
https://github.com/opencontainers/image-spec/blob/main/config.md (``history``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from builder.context import dockerfile
from builder.reasons import BuildReason
from core.errors import ConfigError, Fault
from core.oci.model import RegistryImage

#: The largest difference between the clocks of two machines that is taken for normal.
TOLERANCE = timedelta(minutes=5)

_AGE = re.compile(r"(\d+)([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Freshness:
    """The time in which steps count as fresh."""

    since: datetime
    until: datetime
    """Now, with a tolerance: a later date is one of another clock, and with a clock that far
    behind nothing would ever be too old.
    """

    @classmethod
    def within(cls, age: timedelta) -> Freshness:
        """The last hours or days, by this machine's clock."""
        now = datetime.now(UTC)
        return cls(now - age, now + TOLERANCE)


def age(text: str) -> timedelta:
    """An age as it is written on a command line: ``12h``, ``7d``, ``2w``.

    :raises ConfigError: it is written otherwise.
    """
    if not (match := _AGE.fullmatch(text)):
        raise ConfigError(
            "an age is invalid",
            [Fault("--refresh", f"invalid age {text!r}", "examples: 12h, 7d, 2w")],
        )
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def oldest_step(history: Sequence[str], text: str) -> datetime | None:
    """When the oldest of an image's own steps was carried out; None when that isn't known.

    :param history: the dates of all its steps, its ancestors' first.
    :param text: its Dockerfile, without the label that is put at its end.
    """
    own = len(dockerfile.instructions(text))  # without its FROM, with the label at its end
    dates = [moment for date in history[-own:] if (moment := _moment(date))]
    return min(dates) if len(dates) == own else None


def reason(
    image: RegistryImage, text: str, parent: RegistryImage | None, fresh: Freshness
) -> tuple[BuildReason, str] | None:
    """Why an image has to be rebuilt, with details in words; None when it is fresh.

    :param text: its Dockerfile.
    :param parent: the Kolla image it starts from, as it is in the registry.
    """
    if parent is not None and image.diff_ids[: len(parent.diff_ids)] != parent.diff_ids:
        return BuildReason.OLD_PARENT, ""
    oldest = oldest_step(image.history, text)
    if oldest is None:
        return BuildReason.AGE_UNKNOWN, ""
    date = f"they are of {oldest:%Y-%m-%d %H:%M}"
    if oldest < fresh.since:
        return BuildReason.OLD_PACKAGES, date
    if oldest > fresh.until:
        return BuildReason.CLOCK_BEHIND, date
    return None


def _moment(date: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
