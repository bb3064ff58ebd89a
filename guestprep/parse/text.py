"""Small text files: os-release, fstab, a kernel's configuration."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

_ASSIGNMENT = re.compile(r"^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)$")


def decode(content: bytes) -> str:
    """Text of an undeclared encoding: UTF-8, with all other bytes kept reversibly."""
    return content.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The bytes that :func:`decode` made the text from."""
    return text.encode("utf-8", "surrogateescape")


def os_release(text: str) -> dict[str, str]:
    """The variables of an os-release file (os-release(5): shell assignments, no expansion)."""
    found = {}
    for line in text.splitlines():
        if match := _ASSIGNMENT.match(line):
            try:
                found[match[1]] = "".join(shlex.split(match[2], comments=False))
            except ValueError:
                continue  # an open quote
    return found


@dataclass(frozen=True)
class FstabEntry:
    """A line of fstab(5)."""

    source: str
    """As written: ``LABEL=…``, ``UUID=…``, ``PARTUUID=…``, ``PARTLABEL=…`` or a device."""
    where: str
    type: str
    options: tuple[str, ...]


def fstab(text: str) -> tuple[FstabEntry, ...]:
    """The mounts of an fstab, swap and anything without a place left out."""
    mounts = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 3 or fields[0].startswith("#") or not fields[1].startswith("/"):
            continue
        options = tuple(fields[3].split(",")) if len(fields) > 3 else ()
        source, where = (_unescaped(field) for field in fields[:2])
        mounts.append(FstabEntry(source.replace('"', ""), where, fields[2], options))
    return tuple(mounts)


def _unescaped(field: str) -> str:
    """A field of fstab, in which a blank and the like are octal numbers (getmntent(3))."""
    return re.sub(r"\\([0-3][0-7]{2})", lambda code: chr(int(code[1], 8)), field)


_NOT_SET = re.compile(r"^# (CONFIG_\w+) is not set$")


def kernel_config(text: str) -> dict[str, str]:
    """A kernel's ``config-VERSION``: ``CONFIG_X`` -> ``y``, ``m``, some value, ``n`` if unset."""
    found = {}
    for line in text.splitlines():
        if match := _NOT_SET.match(line):
            found[match[1]] = "n"
        elif line.startswith("CONFIG_"):
            name, separator, value = line.partition("=")
            if separator:
                found[name] = value.strip()
    return found


def word_lines(text: str) -> tuple[str, ...]:
    """The first word of each line that isn't empty or a comment (modules-load.d(5))."""
    words = (line.split() for line in text.splitlines() if not line.lstrip().startswith(("#", ";")))
    return tuple(line[0] for line in words if line)
