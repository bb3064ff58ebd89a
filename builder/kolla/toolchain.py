"""The virtual environment that holds a release's Kolla, made once and kept in the cache."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from builder.kolla.releases import KollaRelease
from core import venv
from core.config.model import Checkout
from core.errors import CommandError, ConfigError, Fault, KollarmError
from core.git import git


@dataclass(frozen=True)
class KollaToolchain:
    """A release's Kolla, ready to run."""

    python: Path
    """The environment's interpreter."""
    identity: str
    """Names everything the environment was made from."""


def toolchain(release: KollaRelease, checkout: Checkout | None = None) -> KollaToolchain:
    """The environment with a release's Kolla, made on first use with pip.

    pip takes its index, find-links and CA bundle from the user's environment
    and pip.conf, as it always does.

    :param checkout: where Kolla itself comes from instead of PyPI; the release lists
        its requirements.  A branch is looked up each time.
    :raises KollarmError: the package or a requirement can't be installed.
    """
    if checkout is not None:
        release = at_commit(release, checkout)
    folder = venv.environment(
        f"Kolla {release.name}", release.requirements, bare=release.bare_requirements
    )
    return KollaToolchain(folder / "bin/python", folder.name)


def at_commit(release: KollaRelease, checkout: Checkout) -> KollaRelease:
    """The release with its Kolla package taken from a repository, at the commit of a ref.

    :raises KollarmError: the repository can't be read, or has no such ref.
    """
    commit = checkout.ref
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        try:
            words = ("ls-remote", "--", checkout.git, checkout.ref, f"{checkout.ref}^{{}}")
            output = git(*words, timeout=120).stdout
        except CommandError as error:
            raise KollarmError(
                f"Kolla's repository {checkout.git} can't be read",
                hint="correct build.kolla.git",
                details=error.details,
            ) from error
        # of an annotated tag the last line names the commit itself
        found = [line.split("\t")[0] for line in output.splitlines()]
        if not found:
            raise ConfigError(
                "Kolla's ref doesn't exist",
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
