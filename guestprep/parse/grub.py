"""GRUB's menu (grub.cfg) and the settings it is generated from (/etc/default/grub).

Both are shell programs.  Of grub.cfg the ``menuentry`` blocks and their ``linux`` lines are
read, each on its own with what a backslash at its end continues; nothing is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

#: Words of a kernel's command line that take the screen from virtio_gpu: ``nomodeset`` keeps
#: every kernel graphics driver from starting, ``nofb`` is some installers' word for the same.
BLANKING = ("nomodeset", "nofb")

_LINUX = re.compile(r"^(?P<indent>\s*)(?P<verb>linux(?:16|efi)?)(?P<gap>\s+)(?P<rest>\S.*)$")
_INITRD = re.compile(r"^\s*initrd(?:16|efi)?\s+(?P<rest>\S.*)$")
_MENU = re.compile(r"^\s*menuentry\s+(?P<quote>['\"])(?P<title>.*?)(?P=quote)")
_CONTINUED = re.compile(r"(?<!\\)(?:\\\\)*\\$")
_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+""")


@dataclass(frozen=True)
class BootEntry:
    """One ``linux`` line of grub.cfg."""

    title: str
    """Title of the menu entry that it is in."""
    kernel: str
    """The kernel's path as GRUB sees it (below the partition it is on)."""
    words: tuple[str, ...]
    """The command line, word by word, as written."""
    initrd: tuple[str, ...]
    """The paths of the ``initrd`` line that follows; empty without such a line."""
    line: int
    """Its number in the file, from 0."""
    lines: int = 1
    """Number of lines that it takes."""

    @property
    def consoles(self) -> tuple[str, ...]:
        """Values of ``console=``, in order; the last one becomes /dev/console."""
        return consoles(self.words)

    @property
    def blanking(self) -> tuple[str, ...]:
        """Those of its words that keep the screen black."""
        return tuple(word for word in self.words if word in BLANKING)

    @property
    def rescue(self) -> bool:
        """Whether it is an entry for repairs (recovery mode), whose words are meant so."""
        return bool({"recovery", "single", "rescue", "emergency"} & set(self.words))

    @property
    def version(self) -> str:
        """The kernel's version by its file's name; empty for a plain ``vmlinuz``."""
        return self.kernel.rsplit("/", 1)[-1].partition("-")[2]


def consoles(words: Iterable[str]) -> tuple[str, ...]:
    """Values of ``console=`` among a command line's words."""
    return tuple(word.removeprefix("console=") for word in words if word.startswith("console="))


def split_words(text: str) -> tuple[str, ...]:
    """The words of a line, each as written with its quotes."""
    return tuple(match.group() for match in _WORD.finditer(text))


def entries(text: str) -> tuple[BootEntry, ...]:
    """Every ``linux`` line of a grub.cfg, in order."""
    found: list[BootEntry] = []
    title = ""
    for number, count, line in _whole_lines(text.split("\n")):
        if menu := _MENU.match(line):
            title = menu["title"]
        elif match := _LINUX.match(line):
            kernel, *words = split_words(match["rest"]) or ("",)
            found.append(BootEntry(title, kernel, tuple(words), (), number, count))
        elif (match := _INITRD.match(line)) and found and not found[-1].initrd:
            found[-1] = replace(found[-1], initrd=split_words(match["rest"]))
    return tuple(found)


def _whole_lines(lines: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Lines joined with those that continue them: the first one's number, how many, the text."""
    number = 0
    while number < len(lines):
        parts = [lines[number]]
        while _CONTINUED.search(parts[-1]) and number + len(parts) < len(lines):
            parts.append(lines[number + len(parts)])
        yield number, len(parts), "".join(part[:-1] for part in parts[:-1]) + parts[-1]
        number += len(parts)


def requested_words(words: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """A command line's words with exactly the requested consoles, and none that blanks the screen.

    The consoles stand at the end, so that no generated part follows them, but before a
    trailing GRUB variable (Ubuntu's ``$vt_handoff``).
    """
    kept = [word for word in words if not word.startswith("console=") and word not in BLANKING]
    tail = len(kept)
    while tail and kept[tail - 1].startswith("$"):
        tail -= 1
    return (*kept[:tail], *(f"console={console}" for console in wanted), *kept[tail:])


def rewrite(text: str, wanted: Sequence[str], kernels: Mapping[str, str] | None = None) -> str:
    """A grub.cfg whose entries have the requested consoles; those for repairs keep their words.

    :param kernels: versions to name instead of others, new by old, in paths, titles and
        identifiers alike, as grub-mkconfig would with the new kernel only.
    """
    for old, new in (kernels or {}).items():
        named = re.compile(rf"(?<![\w.]){re.escape(old)}(?![\w.+])")
        text = named.sub(new.replace("\\", r"\\"), text)
    lines = text.split("\n")
    for entry in entries(text):
        words = requested_words(entry.words, wanted)
        if entry.rescue or words == entry.words:
            continue
        match = _LINUX.match(lines[entry.line])
        assert match is not None
        line = match["indent"] + match["verb"] + match["gap"] + " ".join((entry.kernel, *words))
        # The lines keep their numbers: what continued the first one becomes empty.
        lines[entry.line : entry.line + entry.lines] = [line, *[""] * (entry.lines - 1)]
    return "\n".join(lines)


def sorts_last(names: Iterable[str], name: str) -> bool:
    """Whether grub-mkconfig reads ``/etc/default/grub.d/NAME`` after every other ``*.cfg``.

    The shell sorts by the locale; names that differ only in what a locale may order
    differently are told apart byte by byte here.
    """
    others = [other for other in names if other.endswith(".cfg") and other != name]
    return all(other < name for other in others)
