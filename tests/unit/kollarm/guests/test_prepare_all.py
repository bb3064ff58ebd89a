"""Preparing several guests side by side: what was done is known, whatever becomes of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from core.config.model import Config, Guest, GuestSource
from core.errors import KollarmError
from guestprep.record import PreparationRecord
from guestprep.spec import PreparationPart
from kollarm.guests import prepare
from kollarm.run_images import PartialRun, RunPart, run
from tests.support import preparation

GUESTS = [Guest(name=name, boot="none", source=GuestSource(path=Path(name))) for name in "abc"]


@pytest.fixture(autouse=True)
def b_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stand_in(
        config: Config, guest: Guest, output: Path, *, only: Sequence[PreparationPart] = ()
    ) -> PreparationRecord:
        if guest.name == "b":
            raise KollarmError("no room for b")
        return replace(preparation.record(tmp_path), name=guest.name)

    monkeypatch.setattr(prepare, "prepare", stand_in)


def test_each_prepared_guest_is_told_of() -> None:
    told: list[str] = []
    chosen = [(guest, Path(f"{guest.name}.qcow2")) for guest in GUESTS]
    with pytest.raises(KollarmError, match="no room"):
        prepare.prepare_all(Config(), chosen, done=lambda guest, record: told.append(guest.name))
    assert sorted(told) == ["a", "c"]


def test_a_run_keeps_the_records_of_the_others(tmp_path: Path) -> None:
    config = Config(state_dir=tmp_path, guests=list(reversed(GUESTS)))
    partial = PartialRun(config, [RunPart.GUESTS])
    with pytest.raises(KollarmError, match="no room"):
        run(config, partial)
    assert [guest.name for guest in partial.record().guests] == ["c", "a"]
