"""What a call's time limit counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestprep.appliance import client
from guestprep.appliance.client import Appliance, ApplianceError

#: A worker that answers after a program of this name has run.
WORKER = """
import os, pickle, subprocess, sys
pickle.load(sys.stdin.buffer)
os.symlink(sys.executable, {program!r})
subprocess.run([{program!r}, "-I", "-S", "-c", "import time; time.sleep(4)"], check=True)
pickle.dump((True, "launched"), sys.stdout.buffer)
sys.stdout.buffer.flush()
sys.stdin.buffer.read()
"""


def appliance(folder: Path, program: str, monkeypatch: pytest.MonkeyPatch) -> Appliance:
    worker = folder / "worker.py"
    worker.write_text(WORKER.format(program=str(folder / program)))
    monkeypatch.setattr(client, "WORKER", worker)
    monkeypatch.setattr(client, "_LOOK", 0.1)
    return Appliance()


def test_the_time_for_building_the_appliance_is_not_the_launchs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = appliance(tmp_path, "supermin", monkeypatch)
    try:
        assert started.call("launch", limit=3.0) == "launched"
    finally:
        started.kill()


def test_the_hypervisors_time_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = appliance(tmp_path, "qemu-system", monkeypatch)
    with pytest.raises(ApplianceError, match="no answer after 3 s"):
        started.call("launch", limit=3.0)


def test_building_has_a_limit_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CALL_LIMIT", 1.0)
    started = appliance(tmp_path, "supermin", monkeypatch)
    with pytest.raises(ApplianceError):
        started.call("launch", limit=2.0)
