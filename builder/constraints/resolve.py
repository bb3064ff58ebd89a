"""Versions that fit together, found by uv."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from core import progress, venv
from core.errors import CommandError, KollarmError
from core.python_packages import normalized
from core.run import run

#: Tried with this version.
UV = "uv==0.13.9"

#: Seconds that the search may take: most of it are downloads of packages' metadata.
DEADLINE = 900.0

_LINE = re.compile(r"^([A-Za-z0-9][\w.-]*)==(\S+)")


class NoSuchVersionsError(KollarmError):
    """No choice of versions satisfies all the requirements."""


def resolve(
    requirements: Sequence[str],
    folder: Path,
    *,
    python: str,
    constraints: str = "",
    before: str | None = None,
    unlimited: Sequence[str] = (),
) -> dict[str, str]:
    """The packages that pip would install, each with its version.

    :param requirements: requirement specifiers and ``file:`` URLs.
    :param folder: for uv's files.
    :param python: the images' version of Python (``3.13``).
    :param constraints: lines of a constraints file.
    :param before: a date (``2026-04-20``): only what was on the index then.
    :param unlimited: packages that may be newer.
    :returns: normalized name → version, without the packages of ``file:`` URLs.
    :raises NoSuchVersionsError: they contradict each other.
    :raises KollarmError: uv or the index can't be reached.
    """
    wanted, limits = folder / "requirements.in", folder / "constraints.txt"
    wanted.write_text("".join(f"{one}\n" for one in requirements), encoding="utf-8")
    limits.write_text(constraints, encoding="utf-8")
    uv = venv.environment("uv", [UV]) / "bin" / "uv"
    words: list[str | Path] = [uv, "pip", "compile", "--quiet", "--no-config"]
    words += ["--no-header", "--no-annotate", "--python-version", python]
    words += ["--constraints", limits]
    if before is not None:
        words += ["--exclude-newer", before]
        for name in unlimited:
            words += ["--exclude-newer-package", f"{name}=9999-01-01"]
    try:
        with progress.current().step("look up versions of Python packages"):
            done = run([*words, wanted], env=_index(), timeout=DEADLINE)
    except CommandError as error:
        said = error.output
        if "No solution found" in said:
            raise NoSuchVersionsError(
                "no choice of versions fits all that the images ask pip for", details=said
            ) from error
        raise KollarmError(
            "the versions of Python packages can't be looked up", details=said, hint=venv.HINT
        ) from error
    found = filter(None, map(_LINE.match, done.stdout.splitlines()))
    return {normalized(match[1]): match[2] for match in found}


def _index() -> Mapping[str, str]:
    """The package index that pip is configured for, in uv's variables."""
    listed = run([sys.executable, "-m", "pip", "config", "list"]).stdout
    found = dict(re.findall(r"^(?:global|install|:env:)\.([\w-]+)='(.*)'$", listed, re.MULTILINE))
    variables = {"UV_PYTHON_DOWNLOADS": "never"}
    if "index-url" in found:
        variables["UV_DEFAULT_INDEX"] = found["index-url"]
    if "cert" in found:
        variables["SSL_CERT_FILE"] = found["cert"]
    return variables
