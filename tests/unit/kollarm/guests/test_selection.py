"""Selecting guests of a configuration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kollarm.guests import selection


def test_a_files_name_is_the_guests_unless_it_has_one(tmp_path: Path) -> None:
    assert selection.of_file(tmp_path / "my.image.qcow2").name == "my.image"
    assert selection.of_file(tmp_path / "x.img", "y").name == "y"


@pytest.mark.parametrize("command", ["list", "outdated", "prepare"])
def test_commands_that_need_no_cloud_load_no_client(command: str) -> None:
    code = f"import sys, kollarm.cli.guest.{command}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "kollarm.guests.selection" in loaded
    assert not loaded & {"openstack", "keystoneauth1"}
