"""Packages from PyPI: virtual environments with pinned packages, and downloads.

pip's usual configuration (PIP_INDEX_URL, pip.conf, PIP_CERT …) applies, with the machine's
mirror or proxy.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from core import cache, progress
from core.errors import CommandError, KollarmError
from core.run import run

HINT = "is PyPI, or the index that pip is configured for (PIP_INDEX_URL), reachable?"

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
                        run([*pip, *options, "--", *wanted], timeout=DEADLINE, on_line=note)
            except CommandError as error:
                raise KollarmError(
                    f"the Python packages for {label} can't be installed",
                    details=error.details,
                    hint=HINT,
                ) from error

    name = f"{label.lower().replace(' ', '-')}-{cache.digest(inputs)}"
    return cache.entry("venv", name, make, in_place=True)


def download(requirement: str, folder: Path, kind: Literal["binary", "source"]) -> Path:
    """Download the wheel or source distribution of one package to an empty folder.

    :raises KollarmError: pip can't download it.
    """
    only = "--only-binary" if kind == "binary" else "--no-binary"
    try:
        run(
            [sys.executable, "-m", "pip", "download", "--no-input", "--no-deps",
             "--disable-pip-version-check", "--ignore-requires-python",
             only, ":all:", "--dest", folder, "--", requirement],
            timeout=600,
        )  # fmt: skip
    except CommandError as error:
        raise KollarmError(
            f"the {kind} package {requirement} can't be downloaded",
            details=error.details,
            hint=HINT,
        ) from error
    (file,) = folder.iterdir()
    return file


def _identity(requirement: str) -> str:
    """The identity of a package: a commit is the same in every copy of a repository."""
    return requirement.rsplit("@", 1)[-1] if requirement.startswith("git+") else requirement
