"""``python -m kollarm.services stop STATE_DIR``: stop a project's embedded services."""

from __future__ import annotations

import sys
from pathlib import Path

from kollarm.services import daemon

USAGE = "usage: python -m kollarm.services stop STATE_DIR"


def main(words: list[str]) -> int:
    """Stop every service that has a pid file in the state folder; return the exit status."""
    if len(words) != 2 or words[0] != "stop":
        print(USAGE, file=sys.stderr)
        return 2
    for pid_file in sorted(Path(words[1]).absolute().glob("*/pid")):
        if daemon.stop(pid_file.parent):
            print(f"stopped {pid_file.parent.name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
