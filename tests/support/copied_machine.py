"""This machine as another one sees it: what is changed in the copy is gone with it.

An overlay file system over ``/`` in a mount namespace, and a PID namespace, so that
nothing that is started there stays.  It takes root's rights, as ``make setup`` does.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from core.paths import project_dir

AS_ROOT: list[str] = [] if os.geteuid() == 0 else ["sudo", "-n", "-E"]

_ENTER = """
set -e
scratch=$1; shift
mount -t tmpfs tmpfs "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
root=$scratch/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$root"
mount -t proc proc "$root/proc"
for folder in /dev /sys /tmp $BOUND; do mount --rbind "$folder" "$root$folder"; done
for folder in $EMPTY; do mkdir -p "$root$folder"; mount -t tmpfs tmpfs "$root$folder"; done
ip link set lo up
exec chroot "$root" sh -c "cd '$PWD' && $SCRIPT"
"""


def run(
    script: str,
    scratch: Path,
    *,
    bound: Sequence[Path] = (),
    empty: Sequence[Path] = (),
    network: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a shell script in a copy of this machine, as root.

    :param scratch: an empty folder for the copy to lie in.
    :param bound: folders that are the machine's own, not the copy's.
    :param empty: folders that the copy finds empty.
    :param network: whether it has this machine's network; else one of its own, of loopback alone.
    """
    scratch.mkdir()
    apart = ["--mount", "--pid", "--fork", "--kill-child", *([] if network else ["--net"])]
    environ = {
        "BOUND": " ".join(map(str, (project_dir(), *bound))),
        "EMPTY": " ".join(map(str, empty)),
        "SCRIPT": script,
    }
    return subprocess.run(
        [*AS_ROOT, "unshare", *apart, "sh", "-c", _ENTER, "sh", scratch],
        env=dict(os.environ) | environ,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
