"""Virtual environments for programs that kollarm drives, each with its own pinned packages.

pip's usual configuration holds (PIP_INDEX_URL, pip.conf, PIP_CERT …): a mirror or
a proxy of the machine's is used as everywhere else.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from kollarm import cache, progress
from kollarm.errors import CommandError, KollarmError
from kollarm.run import run

#: Seconds that an installation may take.
DEADLINE = 1800.0


def environment(
    label: str,
    requirements: Sequence[str],
    *,
    constraints: Path | None = None,
    no_deps: bool = False,
) -> Path:
    """The folder of a virtual environment with these packages, made on first use.

    :param label: what it is for; part of the folder's name.
    :param requirements: pip's requirement specifiers, or paths of local packages.
    :param constraints: a constraints file for pip.
    :param no_deps: install exactly these, without what they require.
    :raises KollarmError: pip can't install them.
    """
    inputs = {
        "python": sys.version_info[:3],
        "requirements": list(requirements),
        "constraints": constraints.read_text() if constraints else "",
        "no_deps": no_deps,
    }

    def make(folder: Path) -> None:
        options = ["--no-deps"] if no_deps else []
        if constraints:
            options += ["--constraint", str(constraints)]
        (folder / "requirements.txt").write_text("\n".join(requirements) + "\n")
        with progress.current().step(f"Python environment for {label}") as step:

            def note(line: str) -> None:
                if line.startswith(
                    ("Collecting ", "Installing ", "Downloading ", "  Downloading ")
                ):
                    step.note(" ".join(line.split()[:2]))

            try:
                run([sys.executable, "-m", "venv", folder], timeout=300)
                run(
                    [folder / "bin" / "python", "-m", "pip", "install", "--no-input",
                     "--disable-pip-version-check", *options,
                     "-r", folder / "requirements.txt"],
                    timeout=DEADLINE,
                    on_line=note,
                )  # fmt: skip
            except CommandError as error:
                raise KollarmError(
                    f"the Python packages for {label} can't be installed",
                    details=error.details,
                    hint="is PyPI, or the index that pip is configured for (PIP_INDEX_URL), "
                    "reachable?",
                ) from error

    name = f"{label.lower().replace(' ', '-')}-{cache.digest(inputs)}"
    return cache.entry("venv", name, make, in_place=True)
