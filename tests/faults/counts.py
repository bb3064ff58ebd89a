"""How many moments each run is ended at, and what was seen at them.

``KOLLARM_FAULT_MOMENTS`` (30) is the number of moments at which each run is
ended by SIGKILL, and as many by SIGTERM; ``KOLLARM_FAULT_SEED`` repeats the
moments of an earlier run.
"""

from __future__ import annotations

import os
import random
from collections import Counter

MOMENTS = int(os.environ.get("KOLLARM_FAULT_MOMENTS", "30"))
SEED = int(os.environ.get("KOLLARM_FAULT_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)

COUNTS: dict[str, Counter[str]] = {}


def count(subject: str, what: str, number: int = 1) -> None:
    """Add to a count that is printed when the suite ends."""
    COUNTS.setdefault(subject, Counter())[what] += number
