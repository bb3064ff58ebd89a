"""A full disk and folders that may not be written: said as such, nothing half-made remains.

Each command runs in a mount namespace of its own, where the state folder is a
small or a read-only file system.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.faults.counts import count
from tests.support import guest_disks
from tests.support.commands import COMMAND


def within(folder: Path, options: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run ``kollarm`` where *folder* is a file system of its own; list it afterwards."""
    script = (
        f'mount -t tmpfs -o {options} tmpfs "$1" || exit 99; folder="$1"; shift; "$@"; '
        'status=$?; find "$folder" -type f | sed "s/^/left: /"; exit $status'
    )
    space = (
        ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    )
    return subprocess.run(
        [*space, "sh", "-c", script, "sh", folder, *COMMAND, *words],
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return guest_disks.make(tmp_path / "source.qcow2", tmp_path / "work")


def configured(tmp_path: Path, source: Path) -> tuple[Path, Path]:
    """A configuration for one guest, and its state folder."""
    packages = guest_disks.archive(tmp_path / "archive")
    state = tmp_path / "state"
    state.mkdir()
    archive = {
        "uri": f"file:{packages.folder}",
        "suite": packages.suite,
        "keyring": str(packages.keyring),
    }
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    guest = {
        "name": "g",
        "source": {"path": str(source), "sha256": sha256},
        "archives": [archive],
    }
    config = tmp_path / "kollarm.yml"
    config.write_text(yaml.safe_dump({"state_dir": str(state), "guests": [guest]}))
    return config, state


def test_a_full_disk_while_preparing(tmp_path: Path, source: Path) -> None:
    config, state = configured(tmp_path, source)
    before = hashlib.sha256(source.read_bytes()).hexdigest()
    done = within(state, "size=512k", "guest", "prepare", "--config", config)
    assert done.returncode == 1, done.stderr
    assert "No space left on device" in done.stderr and "internal error" not in done.stderr
    left = [line for line in done.stdout.splitlines() if line.startswith("left: ")]
    assert left == [f"left: {state}/run.lock"]
    assert hashlib.sha256(source.read_bytes()).hexdigest() == before
    count("disk full", "runs that said so and left nothing")


@pytest.mark.parametrize("command", [("guest", "prepare"), ("build",), ("images",)])
def test_a_state_folder_that_may_not_be_written(
    tmp_path: Path, source: Path, command: tuple[str, ...]
) -> None:
    config, state = configured(tmp_path, source)
    done = within(state, "ro", *command, "--config", config)
    assert done.returncode == 1, done.stderr
    assert str(state) in done.stderr and "state_dir" in done.stderr
    count("read-only folder", "runs that said so")
