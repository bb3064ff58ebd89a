"""GRUB's menu (grub.cfg), its environment (grubenv), and where its settings are.

grub.cfg is a shell program.  It is split into statements as GRUB does it; of these the menu
entries, their ``linux`` and ``initrd`` lines and the assignments of variables are read.  Nothing is
evaluated: a variable may have any value that is assigned to it somewhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

#: Words of a kernel's command line that take the screen from virtio_gpu: ``nomodeset`` keeps
#: every kernel graphics driver from starting, ``nofb`` is some installers' word for the same.
BLANKING = ("nomodeset", "nofb")

LINUX = ("linux", "linux16", "linuxefi")
_INITRD = ("initrd", "initrd16", "initrdefi")
_KEYWORDS = ("then", "else", "do")
_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+""")
_TOKEN = re.compile(
    r"""(?P<blank>(?:[ \t\r\f\v]|\\\n)+)|(?P<comment>\#[^\n]*)|(?P<end>[\n;])"""
    r"""|(?P<word>(?:[^\s;"'\\]|\\[^\n]|"(?:[^"\\]|\\[\s\S])*"|'[^']*'|["'])+)|\\"""
)
_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z_]\w*)=(?P<value>[\s\S]*)")
_VARIABLE = re.compile(r'"?\$(?:\{(?P<braced>\w+)\}|(?P<plain>\w+))"?')


@dataclass(frozen=True)
class BootEntry:
    """A kernel that a boot loader's menu starts."""

    title: str
    """Title of the menu entry."""
    kernel: str
    """The kernel's path as the loader sees it (below the partition it is on)."""
    words: tuple[str, ...]
    """The command line, word by word, as written."""
    initrd: tuple[str, ...]
    """The paths of its initramfs; empty without one."""
    line: int
    """Number of its ``linux`` line in the file, from 0."""
    hidden: tuple[str, ...] = ()
    """Further words, of the variables among its words."""
    path: str = ""
    """Path of the file that it is in; empty for GRUB's menu."""
    top: str = ""
    """Where the guest mounts the file system that the paths are on; empty for the root."""
    release: str = ""
    """The kernel's version where the entry names it apart from the kernel's path."""
    sort_key: str = ""
    """What boot loader entries are sorted by first; empty where it names none."""
    machine_id: str = ""
    """The installed system that it belongs to; empty where it names none."""

    @property
    def consoles(self) -> tuple[str, ...]:
        """Values of ``console=``, in order; the last one becomes /dev/console."""
        return consoles((*self.words, *self.hidden))

    @property
    def blanking(self) -> tuple[str, ...]:
        """Those of its words that keep the screen black."""
        return tuple(word for word in (*self.words, *self.hidden) if word in BLANKING)

    @property
    def rescue(self) -> bool:
        """Whether it is an entry for repairs (recovery mode), whose words are meant so."""
        return bool({"recovery", "single", "rescue", "emergency"} & set(self.words))

    @property
    def version(self) -> str:
        """The kernel's version; empty for a plain ``vmlinuz``."""
        return self.release or self.kernel.rsplit("/", 1)[-1].partition("-")[2]


@dataclass(frozen=True)
class MenuCommand:
    """A command of grub.cfg."""

    words: tuple[str, ...]
    starts: tuple[int, ...]
    """Where each word begins in the text."""
    end: int
    """Where its last word ends."""
    depth: int
    """In how many pairs of braces it is."""


def consoles(words: Iterable[str]) -> tuple[str, ...]:
    """Values of ``console=`` among a command line's words."""
    return tuple(word.removeprefix("console=") for word in words if word.startswith("console="))


def concerned(word: str) -> bool:
    """Whether a word of a command line chooses a console, or keeps the screen black."""
    return word.startswith("console=") or word in BLANKING


def split_words(text: str) -> tuple[str, ...]:
    """The words of a line, each as written with its quotes."""
    return tuple(match.group() for match in _WORD.finditer(text))


def variables(words: Iterable[str]) -> Iterator[str]:
    """Names of the variables that are whole words of a command line."""
    for word in words:
        if match := _VARIABLE.fullmatch(word):
            yield match["braced"] or match["plain"]


def statements(text: str) -> Iterator[MenuCommand]:
    words: list[str] = []
    starts: list[int] = []
    end = depth = 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "end" or match.group() in ("{", "}"):
            if words:
                yield MenuCommand(tuple(words), tuple(starts), end, depth)
            words, starts = [], []
            depth += {"{": 1, "}": -1}.get(match.group(), 0)
        elif kind == "word" and (words or match.group() not in _KEYWORDS):
            words.append(match.group())
            starts.append(match.start())
            end = match.end()
    if words:
        yield MenuCommand(tuple(words), tuple(starts), end, depth)


def assignments(text: str) -> dict[str, tuple[str, ...]]:
    """The words that each variable of a grub.cfg may have, of all that is assigned to it."""
    found: dict[str, tuple[str, ...]] = {}
    for statement in statements(text):
        for _, name, value in assigned_values(statement):
            found[name] = (*found.get(name, ()), *split_words(unquoted(value)))
    return found


def assigned_values(statement: MenuCommand) -> Iterator[tuple[int, str, str]]:
    """Position, name and value of what a statement assigns."""
    candidates = list(zip(statement.starts, statement.words, strict=True))
    declared = statement.words[0] in ("set", "export")
    candidates = candidates[1:] if declared else candidates[:1]
    for start, word in candidates:
        if match := _ASSIGNMENT.fullmatch(word):
            yield start + match.start("value"), match["name"], match["value"]


def unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


def expansion(words: Iterable[str], values: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The words that the variables among *words* can stand for, through others too."""
    return tuple(word for name in used_variables(words, values) for word in values.get(name, ()))


def used_variables(words: Iterable[str], values: Mapping[str, Sequence[str]]) -> list[str]:
    """Names of the variables among *words*, and of those that these name; each once."""
    used: list[str] = []
    left = list(variables(words))
    while left:
        name = left.pop(0)
        if name not in used:
            used.append(name)
            left += variables(values.get(name, ()))
    return used


def with_environment(
    assigned: Mapping[str, Sequence[str]], environment: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """The words that each variable may have, those of GRUB's environment after a menu's own."""
    names = dict.fromkeys([*assigned, *environment])
    return {name: (*assigned.get(name, ()), *environment.get(name, ())) for name in names}


def entries(
    text: str, environment: Mapping[str, Sequence[str]] | None = None
) -> tuple[BootEntry, ...]:
    """Every kernel of a grub.cfg's menu, in order.

    :param environment: words by variable, of GRUB's environment.
    """
    found: list[BootEntry] = []
    title = ""
    values = with_environment(assignments(text), environment or {})
    line = at = 0
    for statement in statements(text):
        line += text.count("\n", at, statement.starts[0])
        at = statement.starts[0]
        verb, *rest = statement.words
        if verb == "menuentry" and rest:
            title = unquoted(rest[0])
        elif verb in LINUX and rest:
            kernel, *words = rest
            hidden = expansion(words, values)
            found.append(BootEntry(title, kernel, tuple(words), (), line, hidden))
        elif verb in _INITRD and rest and found and not found[-1].initrd:
            found[-1] = replace(found[-1], initrd=tuple(rest))
    return tuple(found)


def commands(text: str) -> frozenset[str]:
    """Names of the commands that a grub.cfg runs, such as ``blscfg`` and ``load_env``."""
    return frozenset(statement.words[0] for statement in statements(text))


def requested_words(words: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """A command line's words with exactly the requested consoles, and none that blanks the screen.

    The consoles stand at the end, so that no generated part follows them, but before a
    trailing GRUB variable (Ubuntu's ``$vt_handoff``).
    """
    kept = [word for word in words if not concerned(word)]
    tail = len(kept)
    while tail and kept[tail - 1].startswith("$"):
        tail -= 1
    return (*kept[:tail], *(f"console={console}" for console in wanted), *kept[tail:])


def renamed(text: str, kernels: Mapping[str, str]) -> str:
    """A text with other versions of kernels: in paths, titles and identifiers alike.

    :param kernels: the new version by the old one.
    """
    for old, new in kernels.items():
        named = re.compile(rf"(?<![\w.]){re.escape(old)}(?![\w.+])")
        text = named.sub(new.replace("\\", r"\\"), text)
    return text


def rewrite(
    text: str,
    wanted: Sequence[str],
    kernels: Mapping[str, str] | None = None,
    further: Collection[str] = (),
) -> str:
    """A grub.cfg whose entries have the requested consoles; those for repairs keep their words.

    What a variable of such an entry says of consoles is taken out of its assignments.

    :param kernels: versions to name instead of others, new by old, as grub-mkconfig would with the
        new kernel only.
    :param further: names of variables that entries in other files use.
    """
    text = renamed(text, kernels or {})
    values = assignments(text)
    used = set(further)
    changes: list[tuple[int, int, str]] = []
    commands_of_it = list(statements(text))
    for statement in commands_of_it:
        verb, *rest = statement.words
        if verb not in LINUX or not rest:
            continue
        kernel, *before = rest
        entry = BootEntry("", kernel, tuple(before), (), 0)
        if entry.rescue:
            continue
        used.update(used_variables(before, values))
        words = requested_words(before, wanted)
        if words != entry.words:
            changes.append((statement.starts[1], statement.end, " ".join((kernel, *words))))
    for statement in commands_of_it:
        for start, name, value in assigned_values(statement):
            if name in used:
                changes.append((start, start + len(value), _without_consoles(value)))
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _without_consoles(value: str) -> str:
    """A value with its quotes, without the words that choose consoles."""
    inner = unquoted(value)
    if not any(map(concerned, split_words(inner))):
        return value
    quote = value[0] if inner != value else ""
    return quote + " ".join(word for word in split_words(inner) if not concerned(word)) + quote


def rewrite_settings(text: str, wanted: Sequence[str]) -> str:
    """GRUB's settings, with the requested consoles in GRUB_CMDLINE_LINUX."""
    for statement in reversed(list(statements(text))):
        for start, name, value in assigned_values(statement):
            if name == "GRUB_CMDLINE_LINUX":
                words = requested_words(split_words(unquoted(value)), wanted)
                quote = value[0] if value[:1] in ("'", '"') else '"'
                text = text[:start] + quote + " ".join(words) + quote + text[start + len(value) :]
    return text


def environment_path(menu: str) -> str:
    """Where the environment of a grub.cfg is: beside it."""
    return f"{menu.rpartition('/')[0]}/grubenv"


def environment(text: str) -> dict[str, tuple[str, ...]]:
    """The words of each variable in a grubenv."""
    found = {}
    for line in text.split("\n"):
        if not line.startswith("#") and (match := _ASSIGNMENT.fullmatch(line)):
            found[match["name"]] = split_words(match["value"])
    return found


def rewrite_environment(text: str, used: Collection[str]) -> str:
    """A grubenv whose variables say nothing of consoles; of the same length.

    :param used: names of the variables to change.
    """
    lines = []
    for line in text.split("\n"):
        match = None if line.startswith("#") else _ASSIGNMENT.fullmatch(line)
        if match and match["name"] in used:
            lines.append(f"{match['name']}={_without_consoles(match['value'])}")
        else:
            lines.append(line)
    changed = "\n".join(lines)
    # The rest of the block is filled with signs that begin no line.
    return changed + "#" * (len(text) - len(changed))


def sorts_last(names: Iterable[str], name: str) -> bool:
    """Whether grub-mkconfig reads ``/etc/default/grub.d/NAME`` after every other ``*.cfg``.

    The shell sorts by the locale; names that differ only in what a locale may order
    differently are told apart byte by byte here.
    """
    others = [other for other in names if other.endswith(".cfg") and other != name]
    return all(other < name for other in others)
