"""Boot loader entries, one file each, as GRUB's blscfg and systemd-boot read them.

Source: the Boot Loader Specification, type #1
(https://uapi-group.org/specifications/specs/boot_loader_specification/).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from guestprep.parse.grub import BootEntry, expansion, renamed, requested_words, split_words

_LINE = re.compile(r"\s*(?P<key>[A-Za-z][\w-]*)\s+(?P<value>\S.*)")


def fields(text: str) -> Iterator[tuple[int, str, str]]:
    """Number of the line, key and value of each field, also of systemd-boot's settings."""
    for number, line in enumerate(text.split("\n")):
        if match := _LINE.match(line):
            yield number, match["key"], match["value"].rstrip()


def entry(
    path: str, text: str, values: Mapping[str, Sequence[str]] | None = None
) -> BootEntry | None:
    """The kernel that an entry starts; None for one that starts something else.

    :param path: path of the entry's file.
    :param values: words by variable, of GRUB's menu and its environment.
    """
    found: dict[str, str] = {}
    words: list[str] = []
    initrd: list[str] = []
    linux = 0
    for number, key, value in fields(text):
        found.setdefault(key, value)
        if key == "options":
            words += split_words(value)
        elif key == "initrd":
            initrd += split_words(value)
        elif key == "linux":
            linux = number
    if "linux" not in found:
        return None
    return BootEntry(
        title=found.get("title", path.rsplit("/", 1)[-1]),
        kernel=found["linux"],
        words=tuple(words),
        initrd=tuple(initrd),
        line=linux,
        hidden=expansion(words, values or {}),
        path=path,
        release=found.get("version", ""),
        sort_key=found.get("sort-key", ""),
        machine_id=found.get("machine-id", ""),
    )


def rewrite(text: str, wanted: Sequence[str], kernels: Mapping[str, str] | None = None) -> str:
    """An entry whose kernel has the requested consoles; one for repairs keeps its words.

    :param kernels: versions to name instead of others, new by old.
    """
    text = renamed(text, kernels or {})
    present = entry("", text)
    if present is None or present.rescue:
        return text
    words = requested_words(present.words, wanted)
    if words == present.words:
        return text
    places = [number for number, key, _ in fields(text) if key == "options"]
    lines = text.split("\n")
    new = f"options {' '.join(words)}"
    if not places:
        lines.insert(present.line + 1, new)
        return "\n".join(lines)
    lines[places[0]] = new
    return "\n".join(line for number, line in enumerate(lines) if number not in places[1:])
