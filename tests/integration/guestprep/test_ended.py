"""A preparation that is ended at any moment leaves nothing behind that disturbs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.cache import file_digest
from core.errors import EXIT_INTERRUPTED
from guestprep import pipeline
from guestprep.record import record_path
from tests.support.commands import interrupted
from tests.support.disks import Disks

pytestmark = pytest.mark.integration


def hypervisors(mentioning: Path) -> list[str]:
    """Command lines of running programs that name a path."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(mentioning) in line and f"/{os.getpid()}/" not in str(entry):
            found.append(line)
    return found


_PREPARE = """
import sys
from pathlib import Path
from guestprep import pipeline
from core.config.model import Guest
pipeline.prepare(Guest.model_validate_json(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.parametrize(
    ("moment", "number"),
    [("appliance", signal.SIGKILL), ("write", signal.SIGKILL), ("write", signal.SIGINT)],
)
def test_ended_at_any_moment(disks: Disks, moment: str, number: signal.Signals) -> None:
    before = file_digest(disks.source)
    output = disks.folder / f"ended-{moment}-{number}" / "result.qcow2"
    process = subprocess.Popen(
        [sys.executable, "-c", _PREPARE, disks.guest().model_dump_json(), str(output)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.strip().startswith(f"{moment} …"):
            break
    time.sleep(1)
    process.send_signal(number)
    process.wait(60)
    process.stderr.close()
    deadline = time.monotonic() + 20
    while (left := hypervisors(output.parent)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not left
    assert file_digest(disks.source) == before
    assert not output.exists() and not record_path(output).exists()
    if number == signal.SIGINT:  # it has cleaned up after itself
        assert not list(output.parent.iterdir())
    elif moment == "write":  # nor does what a killed run leaves disturb the next one
        assert pipeline.prepare(disks.guest(), output).checks
        assert {path.name for path in output.parent.iterdir()} >= {output.name}


def test_several_side_by_side_are_ended_together(disks: Disks, tmp_path: Path) -> None:
    """The threads' own clean-up runs, and nothing is tried again."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.qcow2").symlink_to(disks.source)
    config = tmp_path / "kollarm.yml"
    config.write_text(f"state_dir: {tmp_path}/state\n")
    files = [tmp_path / "one.qcow2", tmp_path / "two.qcow2"]
    done = interrupted("two: inspect …", "guest", "prepare", *files, "--config", config)
    assert done.status == EXIT_INTERRUPTED
    assert "again" not in done.stderr
    assert not hypervisors(tmp_path)
    assert not [path for path in (tmp_path / "state/guests").rglob("*") if path.is_file()]
