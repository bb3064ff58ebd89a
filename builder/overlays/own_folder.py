"""An overlay stays in its own folder: whatever it names is looked for there, and nowhere else.

Overlays come from wherever their user found them.  These checks are part of reading one, so that
every command refuses the same overlay, whether it builds or only looks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from core.errors import Fault
from core.untrusted_names import UnsafeNameError, links_out_of, path_inside

#: Of a unified diff as git writes it (git-diff(1), "extended header lines"), those with a mode.
_MODE = re.compile(
    r"^(?:(?:old|new|new file|deleted file) mode |index [^\n]*?\.\.[^ \n]* )(.*)$", re.MULTILINE
)
_PLAIN_MODES = ("100644", "100755")


def faults_of_entries(folder: Path) -> Iterator[Fault]:
    """Links that lead out of an overlay's folder, and entries that are neither file nor folder.

    Nothing in the folder may be opened before this has found nothing.
    """
    for link in links_out_of(folder):
        message = "is a link that leads out of the overlay's folder"
        yield Fault(str(link), message, "put the file itself there")
    for path in sorted(folder.rglob("*")):
        if not (path.is_symlink() or path.is_file() or path.is_dir()):
            yield Fault(str(path), "is neither a file nor a folder", "remove it")


def fault_of_name(root: Path, name: str, place: str) -> Fault | None:
    """Why a name in an overlay can't be looked for below a folder of the overlay.

    :param place: where the name stands.
    """
    try:
        path_inside(root, name, of="the overlay")
    except UnsafeNameError as error:
        return Fault(place, error.message, f"name what lies in {root.name}/")
    return None


def faults_of_files(root: Path, files: Mapping[str, Sequence[str]], place: str) -> Iterator[Fault]:
    """Names under ``files:`` that lead out of ``files/``."""
    for names in files.values():
        for name in names:
            if fault := fault_of_name(root, name, place):
                yield fault


def faults_of_series(root: Path) -> Iterator[Fault]:
    """Names in ``patches/IMAGE/series`` that lead out of that folder."""
    for series in sorted(root.glob("*/series")):
        for number, name in patches_of(series):
            if fault := fault_of_name(series.parent, name, f"{series}:{number}"):
                yield fault


def patches_of(series: Path) -> Iterator[tuple[int, str]]:
    """The patches that a quilt series names, each with its line."""
    for number, line in enumerate(series.read_text(encoding="utf-8").split("\n"), 1):
        name = line.strip()
        if name and not name.startswith("#"):
            yield number, name


def faults_of_tree_patch(diff: str, place: str) -> Iterator[Fault]:
    """Links and submodules in a patch of the template tree.

    A template, or the file that it is rendered to, would be read and written through a link.
    """
    for match in _MODE.finditer(diff):
        if match[1].strip() not in _PLAIN_MODES:
            line = diff.count("\n", 0, match.start()) + 1
            yield Fault(
                f"{place}:{line}",
                f"brings something other than a plain file: {match[0].strip()!r}",
                "patch plain files only",
            )
