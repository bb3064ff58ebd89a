"""``kollarm guest publish``."""

from __future__ import annotations

import subprocess
import sys


def test_publishing_loads_nothing_that_changes_images() -> None:
    """Its memory is counted: libapt and the engine of the preparation would be a sixth of it."""
    code = "import sys, kollarm.cli.guest.publish; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "guestprep.publish" in loaded
    assert not loaded & {"apt_pkg", "guestfs", "guestprep.apply", "guestprep.archive.client"}
