"""``python -m kollarm.services stop STATE_DIR``: end a project's embedded services."""

from __future__ import annotations

import sys
from pathlib import Path

from kollarm.services import daemon

USAGE = "usage: python -m kollarm.services stop STATE_DIR"


def main(words: list[str]) -> int:
    """Stop whatever has a pid file under the state folder; return the exit status."""
    if len(words) != 2 or words[0] != "stop":
        print(USAGE, file=sys.stderr)
        return 2
    for pid_file in sorted(Path(words[1]).absolute().glob("*/pid")):
        if daemon.stop_folder(pid_file.parent):
            print(f"stopped {pid_file.parent.name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
