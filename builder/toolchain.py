"""The virtual environment that holds a release's Kolla, made once and kept in the cache."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from builder.releases import KollaRelease
from kollarm import cache, progress
from kollarm.config.model import Checkout
from kollarm.errors import CommandError, ConfigError, Fault, KollarmError
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


def toolchain(release: KollaRelease, checkout: Checkout | None = None) -> Toolchain:
    """The environment with a release's Kolla, made on first use with pip.

    pip takes its index, find-links and CA bundle from the user's environment
    and pip.conf, as it always does.

    :param checkout: where Kolla itself comes from instead of PyPI; the release says
        what goes with it.  A branch is looked up anew each time.
    :raises KollarmError: the package or what it needs can't be installed.
    """
    if checkout is not None:
        release = at_commit(release, checkout)
    inputs: dict[str, object] = {
        "recipe": RECIPE,
        "requirements": [_identity(one) for one in release.requirements],
        "bare": [_identity(one) for one in release.bare_requirements],
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


def at_commit(release: KollaRelease, checkout: Checkout) -> KollaRelease:
    """The release with its Kolla package taken from a repository, at the commit of a ref.

    :raises KollarmError: the repository can't be read, or has no such ref.
    """
    commit = checkout.ref
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        try:
            said = run(["git", "ls-remote", checkout.git, checkout.ref, f"{checkout.ref}^{{}}"],
                       env={"GIT_TERMINAL_PROMPT": "0"}, timeout=120).stdout  # fmt: skip
        except CommandError as error:
            raise KollarmError(
                f"Kolla's repository {checkout.git} can't be read",
                hint="correct build.kolla.git",
                details=error.details,
            ) from error
        # of an annotated tag the last line names the commit itself
        found = [line.split("\t")[0] for line in said.splitlines()]
        if not found:
            raise ConfigError(
                "Kolla's ref isn't there",
                [Fault("build.kolla.ref", f"{checkout.git} has no {checkout.ref!r}")],
            )
        commit = found[-1]
    url = checkout.git if "://" in checkout.git else f"file://{checkout.git}"
    package = f"git+{url}@{commit}"

    def replaced(requirements: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(package if one.startswith("kolla==") else one for one in requirements)

    return replace(
        release,
        requirements=replaced(release.requirements),
        bare_requirements=replaced(release.bare_requirements),
    )


def _identity(requirement: str) -> str:
    """What is installed, wherever from: a commit is the same in every copy of a repository."""
    return requirement.rsplit("@", 1)[-1] if requirement.startswith("git+") else requirement


def _install(argv: list[str | Path], release: KollaRelease) -> None:
    try:
        run(argv, timeout=1800)
    except CommandError as error:
        raise KollarmError(
            f"Kolla for {release.name} can't be installed: pip failed",
            hint="pip needs to reach PyPI or the index that PIP_INDEX_URL names",
            details=error.details,
        ) from error
