"""systemd-boot's own settings, and which entry it starts by itself.

Sources: loader.conf(5), systemd-boot(7), and for the order of entries the section "Sorting" of
the Boot Loader Specification (https://uapi-group.org/specifications/specs/boot_loader_specification/),
with versions compared as in https://uapi-group.org/specifications/specs/version_format_specification/.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from functools import cmp_to_key

from guestprep.parse.bls import fields
from guestprep.parse.grub import BootEntry

#: A timeout with which it waits at its menu for a person.
_FOREVER = "menu-force"

#: Seconds that its menu is shown instead.
_SECONDS = "5"

_COUNTED = re.compile(
    r"(?P<name>.+)\+(?P<left>[0-9]+)(?:-[0-9]+)?(?P<end>\.conf|\.efi)", re.IGNORECASE
)
_SIGNS = "~-^."
_PART = re.compile(r"[0-9]+|[A-Za-z]+|[~^.-]")


def waits(text: str) -> bool:
    """Whether it waits at its menu until somebody chooses."""
    return _settings(text).get("timeout") == _FOREVER


def rewrite(text: str) -> str:
    """Settings with which it starts an entry by itself."""
    lines = text.split("\n")
    for number, key, value in fields(text):
        if key == "timeout" and value == _FOREVER:
            lines[number] = f"timeout {_SECONDS}"
    return "\n".join(lines)


def started(entries: Sequence[BootEntry], unified: Sequence[str], text: str) -> str:
    """The path of what it starts in a new guest, whose firmware has no settings of its own yet.

    :param entries: those whose kernels are there.
    :param unified: paths of unified kernel images. Their place among the entries depends on what is
        inside them: without a default, one is taken to be the first.
    :param text: its loader.conf.
    :returns: empty where it has nothing to start.
    """
    paths = [*unified, *(entry.path for entry in sorted(entries, key=cmp_to_key(_compared)))]
    default = _settings(text).get("default", "")
    wanted = "" if default.startswith("@") else default.lower()
    named = (path for path in paths if fnmatch.fnmatchcase(_identifier(path), wanted))
    return next(named, paths[0] if paths else "")


def _settings(text: str) -> dict[str, str]:
    return {key: value for _, key, value in fields(text)}


def _identifier(path: str) -> str:
    """The name of an entry's file, without the counter of failed starts."""
    name = path.rpartition("/")[2].lower()
    counted = _COUNTED.fullmatch(name)
    return counted["name"] + counted["end"] if counted else name


def _exhausted(path: str) -> bool:
    """Whether an entry has failed as often as it may."""
    counted = _COUNTED.fullmatch(path)
    return counted is not None and counted["left"].strip("0") == ""


def _compared(first: BootEntry, second: BootEntry) -> int:
    order = _exhausted(first.path) - _exhausted(second.path)
    order = order or (not first.sort_key) - (not second.sort_key)
    if order == 0 and first.sort_key:
        before = (first.sort_key, first.machine_id), (second.sort_key, second.machine_id)
        order = _order(*before) or -compare_versions(first.release, second.release)
    return order or -compare_versions(_identifier(first.path), _identifier(second.path))


def compare_versions(first: str, second: str) -> int:
    """Negative, zero or positive, as the first version is older, the same or newer."""
    ours, others = _parts(first), _parts(second)
    for one, other in zip(ours, others, strict=False):
        if one != other:
            return _order(_rank(one), _rank(other))
    if len(ours) == len(others):
        return 0
    longer = max(ours, others, key=len)
    order = -1 if longer[min(len(ours), len(others))] == "~" else 1
    return order if longer is ours else -order


def _parts(version: str) -> list[str]:
    return [part.lstrip("0") or "0" for part in _PART.findall(version)]


def _rank(part: str) -> tuple[int, int, str]:
    """Signs come before letters, these before numbers; a larger number last."""
    if part in _SIGNS:
        return _SIGNS.index(part) - len(_SIGNS), 0, ""
    return (1, len(part), part) if part.isdigit() else (0, 0, part)


def _order(first: tuple[object, ...], second: tuple[object, ...]) -> int:
    return 0 if first == second else 1 if first > second else -1
