"""The parsers' fuzzing with many more inputs than in every test run."""

from __future__ import annotations

import os
import subprocess
import sys

from kollarm.paths import project_dir
from tests.faults.conftest import count
from tests.unit.fuzz.targets import TARGETS

#: Inputs for each parser.
EXAMPLES = int(os.environ.get("KOLLARM_FAULT_EXAMPLES", "5000"))


def test_every_input_is_read_or_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/unit/fuzz"],
        cwd=project_dir(),
        env=dict(os.environ) | {"KOLLARM_FUZZ_EXAMPLES": str(EXAMPLES)},
        capture_output=True,
        text=True,
        timeout=3 * 3600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    count("hostile input", "parsers", len(TARGETS))
    count("hostile input", "inputs at most", EXAMPLES * len(TARGETS))
    count("hostile input", "crashes", 0)
