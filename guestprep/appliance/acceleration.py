"""Whether the appliance can use KVM, and a note of machines where it can't.

``/dev/kvm`` proves nothing: inside some virtual machines it exists, can be opened, and hangs
the first guest.  Such a machine waits for the time limit once; that is remembered by this
process and, in the cache, for some days and for this boot of this kernel only.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from pathlib import Path

from core import files
from core.paths import cache_dir
from core.processes import BOOT_ID

#: Seconds for which a machine's KVM is assumed to stay broken.
MEMORY = 7 * 24 * 3600.0

DEVICE = Path("/dev/kvm")

#: Set when this process has found KVM broken.
_broken = threading.Event()


def present() -> bool:
    """Whether this process may open the KVM device at all."""
    return os.access(DEVICE, os.R_OK | os.W_OK)


def usable() -> bool:
    """Whether KVM is worth a try (libguestfs itself emulates where there is no device)."""
    if _broken.is_set() or "force_tcg" in os.environ.get("LIBGUESTFS_BACKEND_SETTINGS", ""):
        return False
    try:
        entry = json.loads(_note().read_text(encoding="utf-8"))
        known = entry["machine"] == _machine() and time.time() - float(entry["time"]) < MEMORY
    except (OSError, ValueError, KeyError, TypeError):
        known = False
    return not known


def remember_broken() -> None:
    """Note that a launch failed with KVM and worked without."""
    _broken.set()
    if present():
        files.write(_note(), json.dumps({"machine": _machine(), "time": time.time()}) + "\n")


def limit(default: float) -> float:
    """Seconds for a launch with KVM (``$KOLLARM_KVM_LIMIT``, for slow machines)."""
    try:
        return float(os.environ["KOLLARM_KVM_LIMIT"])
    except (KeyError, ValueError):
        return default


def _note() -> Path:
    return cache_dir() / "appliance" / "broken-kvm.json"


def _machine() -> str:
    """This machine, kernel and boot: after another boot, KVM may work."""
    try:
        boot = BOOT_ID.read_text(encoding="utf-8").strip()
    except OSError:
        boot = ""
    return f"{platform.node()} {platform.release()} {boot}"
