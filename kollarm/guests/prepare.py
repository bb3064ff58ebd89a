"""Preparing a guest of a configuration.

Separate from :mod:`kollarm.guests.publishing`, because publishing must not import the modules
that change images: its memory is limited.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from core import progress, side_by_side
from core.attestation.signing import read_key
from core.config.model import Config, Guest
from core.errors import ConfigError, KollarmError, counted
from guestprep import pipeline
from guestprep.attestation import signatures
from guestprep.plan.model import PreparationPlan
from guestprep.record import PreparationRecord
from guestprep.spec import PreparationPart


def plan(guest: Guest) -> PreparationPlan:
    """What preparing a guest's image would do.

    :raises KollarmError: its source can't be had or prepared.
    """
    return pipeline.plan(guest)


def prepare(
    config: Config, guest: Guest, output: Path, *, only: Sequence[PreparationPart] = ()
) -> PreparationRecord:
    """Prepare a guest's image, and sign it if there is a key.

    :raises KollarmError: the preparation failed, or the key can't be used.
    """
    key = read_key(config.signing_key) if config.signing_key is not None else None
    record = pipeline.prepare(guest, output, only=only)
    if key is not None:
        signatures.sign(output, record.sha256, key)
    return record


#: Bytes of memory that preparing or booting one guest takes: the virtual machine's, what QEMU
#: translates, and what unpacks packages or reads the screen.
_MEMORY = 2 << 30


def jobs(count: int) -> int:
    """How many of so many guests are prepared or booted at once: at least one."""
    room = psutil.virtual_memory().available // _MEMORY
    return max(1, min(count, os.cpu_count() or 1, room))


def prepare_all(
    config: Config,
    chosen: Sequence[tuple[Guest, Path]],
    *,
    only: Sequence[PreparationPart] = (),
    done: Callable[[Guest, PreparationRecord], None] = lambda guest, record: None,
) -> list[PreparationRecord]:
    """Prepare several guests' images, as many at a time as the machine has processors and memory.

    The others are finished where one fails.

    :param chosen: each guest with the image to make.
    :param done: called for each guest when it is prepared, also where another one fails.
    :raises ConfigError: two would be the same file.
    :raises KollarmError: a preparation failed, with every reason.
    """
    made: dict[Path, Guest] = {}
    for guest, output in chosen:
        if output in made:
            raise ConfigError(
                f"{made[output].source.path} and {guest.source.path} would both become {output}",
                hint="prepare them one after the other, and name the results (-o)",
            )
        made[output] = guest

    def one(item: tuple[Guest, Path]) -> PreparationRecord:
        guest, output = item
        record = prepare(config, guest, output, only=only)
        done(guest, record)
        return record

    def named(item: tuple[Guest, Path]) -> PreparationRecord:
        with progress.current().step(f"guest {item[0].name}"):
            return one(item)

    if len(chosen) <= 1:
        return [one(item) for item in chosen]
    outcomes = side_by_side.each(named, chosen, jobs(len(chosen)))
    failed = [
        (guest, outcome)
        for (guest, _), outcome in zip(chosen, outcomes, strict=True)
        if isinstance(outcome, Exception)
    ]
    for _, error in failed:
        if len(failed) == 1 or not isinstance(error, KollarmError):
            raise error
    if failed:
        raise KollarmError(
            f"{counted(len(failed), 'guest')} of {len(chosen)} can't be prepared",
            details="\n".join(f"{guest.name}: {error}" for guest, error in failed),
        )
    return [outcome for outcome in outcomes if isinstance(outcome, PreparationRecord)]
