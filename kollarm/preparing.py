"""Preparing a guest of a configuration.

Apart from :mod:`kollarm.guests`: publishing an image needs nothing of what changes one, and
its memory is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from guestprep import attested, pipeline
from guestprep.record import Record
from guestprep.wishes import Part
from kollarm.attest.signing import read_key
from kollarm.config.model import Config, Guest


def prepare(config: Config, guest: Guest, output: Path, *, only: Sequence[Part] = ()) -> Record:
    """Prepare a guest's image, and sign it where a key is named.

    :raises KollarmError: as :func:`guestprep.pipeline.prepare`, or the key can't be used.
    """
    key = read_key(config.signing_key) if config.signing_key is not None else None
    done = pipeline.prepare(guest, output, only=only)
    if key is not None:
        attested.sign(output, done.sha256, key)
    return done
