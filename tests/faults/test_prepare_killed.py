"""Preparing, killed at any moment: what has its name is whole, and the source untouched."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

from core.cache import file_digest
from guestprep import record
from tests.faults.counts import MOMENTS, count
from tests.support import guest_disks
from tests.support.kill import Moments, run

SUBJECT = "prepare killed"
#: The run after so many ended ones is let finish: on what all of them left.
FINISHED = 3


def test_killed_at_random_moments(tmp_path: Path, dice: random.Random) -> None:
    made = guest_disks.project(tmp_path)
    source = tmp_path / "source.qcow2"
    untouched = file_digest(source)
    words: list[str | Path] = ["guest", "prepare", "--config", tmp_path / "kollarm.yml"]
    usual = run(words, {})
    assert usual.status == 0, usual.stderr
    usual_size = made.stat().st_size
    moments = Moments(MOMENTS, dice, usual)
    for moment, after, number in moments:
        made.unlink(missing_ok=True)
        record.record_path(made).unlink(missing_ok=True)
        ended = run(words, {}, after=after, number=number)
        count(SUBJECT, moments.ended(number, ended))
        assert file_digest(source) == untouched
        if record.record_path(made).exists():
            recorded = json.loads(record.record_path(made).read_text())
            assert recorded["sha256"] == file_digest(made)
        if made.exists():
            subprocess.run(["qemu-img", "check", "-q", made], check=True)
            assert made.stat().st_size >= 0.99 * usual_size
            count(SUBJECT, "already complete under the final name")
        if moment % FINISHED == FINISHED - 1:
            finished = run(words, {})
            assert finished.status == 0, finished.stderr
            assert json.loads(record.record_path(made).read_text())["sha256"] == file_digest(made)
            left = [path.name for path in made.parent.iterdir() if path.name.startswith(".")]
            assert not left, left
            count(SUBJECT, "finished by the next run")
