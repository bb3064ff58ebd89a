"""Preparing a guest of a configuration.

Separate from :mod:`kollarm.guests.selection`, because publishing must not import the modules
that change images: its memory is limited.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.attestation.signing import read_key
from core.config.model import Config, Guest
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
