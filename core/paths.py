"""Where kollarm keeps things.

The *cache* holds what can be made again and is named by its content's inputs
(bootstrapped roots, virtual environments, downloads); every project of a user
shares it.  The *state* belongs to one project: the embedded registry's and
Glance's data, logs, prepared images and the record of the last run.
"""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path

from core.errors import KollarmError


def cache_dir() -> Path:
    """``$KOLLARM_CACHE``, else ``$XDG_CACHE_HOME/kollarm``, else ``~/.cache/kollarm``."""
    named = os.environ.get("KOLLARM_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else _home("KOLLARM_CACHE") / ".cache") / "kollarm"


def log_dir() -> Path:
    """``$XDG_STATE_HOME/kollarm/logs``, else ``~/.local/state/kollarm/logs``."""
    base = os.environ.get("XDG_STATE_HOME")
    state = Path(base) if base else _home("XDG_STATE_HOME") / ".local" / "state"
    return state / "kollarm" / "logs"


def _home(instead: str) -> Path:
    try:
        return Path.home()
    except RuntimeError as error:  # no HOME, and a user that /etc/passwd doesn't have
        raise KollarmError(
            "this user has no home folder", hint=f"set HOME, or {instead} to another folder"
        ) from error


def project_dir() -> Path:
    """The folder of ``dockerfile_overlays``, ``examples`` and ``scripts``.

    That is the checkout, or ``share/kollarm`` of the prefix that a wheel was installed into.
    """
    packages = Path(__file__).resolve().parents[1]
    prefixes = (Path(sys.prefix), Path(site.getuserbase()), *packages.parents)
    for folder in (packages, *(prefix / "share" / "kollarm" for prefix in prefixes)):
        if (folder / "dockerfile_overlays").is_dir():
            return folder
    return packages
