"""A root of a few files that can run a step, and contexts with it: builds of a second."""

from __future__ import annotations

import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

#: What steps of the tests call.
PROGRAMS = ("/bin/dash", "/bin/sleep")

#: The kernel runs this machine's programs whatever architecture an image says it has.
SHELL = "FROM scratch\nADD root.tar /\n"


@cache
def root(mark: str = "") -> bytes:
    """A tar with /bin/sh and /bin/sleep, and what they load.

    :param mark: tells one root from another: an engine's layer cache knows no architectures.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "root"
        for program in PROGRAMS:
            told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
            for name in (program, *re.findall(r"/\S+", told.stdout)):
                target = folder / name.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(Path(name).read_bytes())
                target.chmod(0o755)
        (folder / "bin/sh").symlink_to("dash")
        (folder / "mark").write_text(mark)
        archive = Path(scratch) / "root.tar"
        subprocess.run(["tar", "-C", folder, "-cf", archive, "."], check=True)
        return archive.read_bytes()
