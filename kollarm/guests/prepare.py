"""Preparing a guest of a configuration.

Apart from :mod:`kollarm.guests`: publishing an image needs nothing of what changes one, and
its memory is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.attestation.signing import read_key
from core.config.model import Config, Guest
from guestprep import pipeline
from guestprep.attestation import signatures
from guestprep.record import PreparationRecord
from guestprep.spec import PreparationPart


def prepare(
    config: Config, guest: Guest, output: Path, *, only: Sequence[PreparationPart] = ()
) -> PreparationRecord:
    """Prepare a guest's image, and sign it where a key is named.

    :raises KollarmError: as :func:`guestprep.pipeline.prepare`, or the key can't be used.
    """
    key = read_key(config.signing_key) if config.signing_key is not None else None
    done = pipeline.prepare(guest, output, only=only)
    if key is not None:
        signatures.sign(output, done.sha256, key)
    return done
