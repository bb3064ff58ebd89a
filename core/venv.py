"""Virtual environments for programs that kollarm drives, each with its own pinned packages.

pip's usual configuration holds (PIP_INDEX_URL, pip.conf, PIP_CERT …): a mirror or
a proxy of the machine's is used as everywhere else.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from core import cache, progress
from core.errors import CommandError, KollarmError
from core.run import run

#: Seconds that an installation may take.
DEADLINE = 1800.0


def environment(label: str, requirements: Sequence[str], *, bare: Sequence[str] = ()) -> Path:
    """The folder of a virtual environment with these packages, made on first use.

    :param label: what it is for; part of the folder's name.
    :param requirements: pip's requirement specifiers, or paths of local packages.
    :param bare: installed after those, without what they require.
    :raises KollarmError: pip can't install them.
    """
    inputs = {
        "python": sys.version_info[:2],
        "requirements": [_identity(one) for one in requirements],
        "bare": [_identity(one) for one in bare],
    }

    def make(folder: Path) -> None:
        with progress.current().step(f"Python environment for {label}") as step:

            def note(line: str) -> None:
                if line.startswith(
                    ("Collecting ", "Installing ", "Downloading ", "  Downloading ")
                ):
                    step.note(" ".join(line.split()[:2]))

            pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "install"]
            pip += ["--no-input", "--disable-pip-version-check"]
            try:
                run([sys.executable, "-m", "venv", folder], timeout=300)
                for options, wanted in (((), requirements), (("--no-deps",), bare)):
                    if wanted:
                        run([*pip, *options, *wanted], timeout=DEADLINE, on_line=note)
            except CommandError as error:
                raise KollarmError(
                    f"the Python packages for {label} can't be installed",
                    details=error.details,
                    hint="is PyPI, or the index that pip is configured for (PIP_INDEX_URL), "
                    "reachable?",
                ) from error

    name = f"{label.lower().replace(' ', '-')}-{cache.digest(inputs)}"
    return cache.entry("venv", name, make, in_place=True)


def _identity(requirement: str) -> str:
    """What is installed, wherever from: a commit is the same in every copy of a repository."""
    return requirement.rsplit("@", 1)[-1] if requirement.startswith("git+") else requirement
