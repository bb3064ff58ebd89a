"""Overlays' patches: of the template tree, and of files in images."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from builder.overlays.model import PATCHES, TREE_PATCH, Overlay
from core.errors import CommandError, Fault
from core.run import run

_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)")


@contextmanager
def patched(templates: Path, overlays: Sequence[Overlay]) -> Iterator[tuple[Path, list[Fault]]]:
    """A copy of a template tree with the overlays' tree patches, and faults for those that fail.

    Without any patch it is the tree itself.
    """
    if not any(overlay.tree_patch() for overlay in overlays):
        yield templates, []
        return
    faults: list[Fault] = []
    with TemporaryDirectory(prefix="kollarm-lint-") as scratch:
        tree = Path(scratch) / "docker"
        shutil.copytree(templates, tree)
        for overlay in overlays:
            if overlay.tree_patch() is None:
                continue
            path = overlay.folder / TREE_PATCH
            try:
                run(["git", "apply", "-p1", "--whitespace=nowarn", path.resolve()], cwd=tree,
                    env={"GIT_CEILING_DIRECTORIES": scratch})  # fmt: skip
            except CommandError as error:
                output = error.output.strip().splitlines()
                reason = output[0].removeprefix("error: ") if output else error.message
                where = f"{path}{_line_of(overlay.tree_patch() or '', reason)}"
                faults.append(
                    Fault(where, f"doesn't apply: {reason}", "create it again for this release")
                )
        yield tree, faults


def _line_of(patch: str, reason: str) -> str:
    """``:LINE`` of the hunk, or the file, in a patch that git's reason names."""
    found = re.search(r"([\w.-]+/[\w./-]+)(?::(\d+))?", reason)
    path, start = found.groups() if found else ("", None)
    line, inside = 0, False
    for number, text in enumerate(patch.splitlines(), 1):
        if text.startswith("--- "):
            inside = text[4:].split("\t")[0].partition("/")[2] == path
            line = number if inside and not line else line
        elif inside and start and re.match(rf"@@ -{start}\b", text):
            return f":{number}"
    return f":{line}" if line else ""


@dataclass(frozen=True)
class PatchHunk:
    """One stretch of a file, as a unified diff changes it."""

    path: str
    """The file, in the tree."""
    text: str
    """The stretch as it is afterwards; removed lines are comments, so that line numbers are
    those of the diff.
    """
    first: int
    """The number of its first line in the diff."""
    added: frozenset[int]
    """The numbers, in *text* from 1, of the lines that are new."""


def changes(patch: str) -> Iterator[PatchHunk]:
    """The stretches that a unified diff changes, one for each of its hunks."""
    path = ""
    lines: list[str] = []
    first = 0
    new: set[int] = set()
    for number, line in enumerate([*patch.splitlines(), "@@"], 1):
        if line.startswith(("@@", "--- ", "diff ")):
            if new:
                yield PatchHunk(path, "\n".join(lines), first, frozenset(new))
            lines, first, new = [], number + 1, set()
        elif line.startswith("+++ "):
            path = line[4:].split("\t")[0].partition("/")[2]
        elif line.startswith("-"):
            lines.append("#")
        elif not line.startswith("\\"):
            lines.append(line[1:])
            if line.startswith("+"):
                new.add(len(lines))


def faults_of_image_patches(overlay: Overlay) -> Iterator[Fault]:
    """Patches of files in images that would leave their file unchanged."""
    for image, files in overlay.image_patches().items():
        for name, content in files.items():
            lines = content.decode(errors="replace").splitlines()
            plus, minus = (
                [line[1:] for line in lines if line.startswith(sign) and line[:3] != 3 * sign]
                for sign in "+-"
            )
            if plus == minus or not any(map(_HUNK.match, lines)):
                path = overlay.folder / PATCHES / image / name
                yield Fault(str(path), "changes nothing", "write a unified diff")
