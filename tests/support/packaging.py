"""The project's source as somebody gets it, and environments without the checkout."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from core.paths import project_dir


def source(target: Path) -> Path:
    """A clone of the checkout, without what lies about in it."""
    subprocess.run(["git", "clone", "-q", project_dir(), target], check=True)
    return target


def apart(**more: str) -> dict[str, str]:
    """This process's environment, without the checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | more
