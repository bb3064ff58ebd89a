"""The virtual environment that holds a release's Kolla, made once and kept in the cache."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from builder.releases import KollaRelease
from kollarm import cache, progress
from kollarm.errors import CommandError, KollarmError
from kollarm.run import run

#: Raised when the way an environment is made changes.
RECIPE = 1


@dataclass(frozen=True)
class Toolchain:
    """A release's Kolla, ready to run.

    :ivar python: the environment's interpreter.
    :ivar identity: names everything the environment was made from.
    """

    python: Path
    identity: str


def toolchain(release: KollaRelease) -> Toolchain:
    """The environment with a release's Kolla, made on first use with pip.

    pip takes its index, find-links and CA bundle from the user's environment
    and pip.conf, as it always does.

    :raises KollarmError: the package or what it needs can't be installed.
    """
    inputs: dict[str, object] = {
        "recipe": RECIPE,
        "requirements": release.requirements,
        "bare": release.bare_requirements,
        "python": sys.version_info[:2],
    }
    identity = f"kolla-{release.name}-{cache.digest(inputs)}"

    def make(folder: Path) -> None:
        with progress.current().step(f"install Kolla for {release.name}") as step:
            run([sys._base_executable, "-m", "venv", folder])  # type: ignore[attr-defined]
            pip: list[str | Path] = [folder / "bin/python", "-m", "pip", "install", "--quiet"]
            for extra, wanted in (
                ((), release.requirements),
                (("--no-deps",), release.bare_requirements),
            ):
                if wanted:
                    step.note(", ".join(wanted))
                    _install([*pip, *extra, *wanted], release)

    folder = cache.entry("venv", identity, make, in_place=True)
    return Toolchain(folder / "bin/python", identity)


def _install(argv: list[str | Path], release: KollaRelease) -> None:
    try:
        run(argv, timeout=1800)
    except CommandError as error:
        raise KollarmError(
            f"Kolla for {release.name} can't be installed: pip failed",
            hint="pip needs to reach PyPI or the index that PIP_INDEX_URL names",
            details=error.details,
        ) from error
