"""Reading and adjusting rendered Dockerfiles.

It understands the Dockerfiles of Kolla's templates; a RUN that isn't a plain
chain of commands is left as it is.  Format:
https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache

_BUILD_DATE = re.compile(r'\s+build-date="[^"]*"')
_FROM = re.compile(r"^FROM\s+\S+", re.MULTILINE)
_INSTRUCTION = re.compile(r"\s*([A-Za-z]+)\s+(.*)", re.DOTALL)
#: https://docs.docker.com/reference/dockerfile/#here-documents
_HERE_DOCUMENT = re.compile(r"""(?:^|\s)\d*<<(-?)(["']?)([A-Za-z_]\w*)\2(?=\s|$)""")


@dataclass(frozen=True)
class Instruction:
    """One instruction, its continuation lines joined and the comments among them dropped.

    Here-documents follow its value, line by line.
    """

    keyword: str
    value: str
    first: int
    """Its first line in the file, from 1."""
    last: int
    """Its last line."""


def instructions(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile, in order."""
    found: list[Instruction] = []
    parts: list[str] = []
    first = 0
    lines = text.splitlines()
    rest = iter(enumerate(lines, 1))
    for number, line in rest:
        stripped = line.strip()
        if stripped.startswith("#") or (not stripped and not parts):
            continue
        if not parts:
            first = number
        if stripped.endswith("\\"):
            parts.append(stripped[:-1])
            continue
        parts.append(stripped)
        if match := _INSTRUCTION.match(" ".join(parts)):
            keyword, value = match[1].upper(), match[2].strip()
            last = _end(lines, number, value) if keyword in {"RUN", "COPY", "ADD"} else number
            for _ in range(last - number):
                value += f"\n{next(rest)[1]}"
            found.append(Instruction(keyword, value, first, last))
        parts = []
    return found


def _end(lines: list[str], number: int, value: str) -> int:
    """The last line of an instruction's here-documents, one after the other.

    :param number: its own last line, from 1; the answer if it has none that ends.
    """
    last = number
    for dash, _, name in _HERE_DOCUMENT.findall(value):
        ends = (line.lstrip("\t") if dash else line for line in lines[last:])
        try:
            last += 1 + list(ends).index(name)
        except ValueError:
            return number
    return last


def arguments(text: str) -> set[str]:
    """The names of a Dockerfile's ``ARG`` instructions."""
    return {
        word.partition("=")[0]
        for instruction in instructions(text)
        if instruction.keyword == "ARG"
        for word in instruction.value.split()
    }


def without_date(text: str) -> str:
    """The Dockerfile without Kolla's ``build-date`` label, which differs every day.

    It would spoil the layer cache from the first line on; the date becomes a
    label of the finished image instead.
    """
    return "\n".join(
        _BUILD_DATE.sub("", line) if line.startswith("LABEL") else line for line in text.split("\n")
    )


def without_patching(text: str) -> str:
    """The Dockerfile without Kolla's two steps that apply patches to files in the image.

    Once there are patches for one image, Kolla puts them into every image, where
    most find nothing to do: that one overlay would change the keys of all images.
    """
    lines = text.split("\n")
    for instruction in reversed(instructions(text)):
        if (instruction.keyword, instruction.value) in (
            ("COPY", "patches /patches"),
            ("RUN", "kolla_patch"),
        ):
            del lines[instruction.first - 1 : instruction.last]
    return "\n".join(lines)


def essence(text: str) -> str:
    """The Dockerfile without the blank and comment lines that templates leave behind.

    With a here-document in it every line may mean something, and all stay.
    """
    if "<<" in text:
        return text
    lines = (line.rstrip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


def with_parent(text: str, reference: str) -> str:
    """The Dockerfile with another image in its (only) FROM."""
    return with_start(text, f"FROM {reference}")


def with_start(text: str, instructions: str) -> str:
    """The Dockerfile with other instructions in the place of its (only) FROM."""
    return _FROM.sub(lambda match: instructions, text, count=1)


def with_labels(text: str, labels: Mapping[str, str]) -> str:
    """The Dockerfile with labels as its last step."""
    pairs = " ".join(f"{name}={json.dumps(value)}" for name, value in sorted(labels.items()))
    return f"{text.rstrip()}\nLABEL {pairs}\n"


@cache
def commands(value: str) -> tuple[str, ...] | None:
    """The commands of a RUN that is a plain ``a && b && c``; None for anything else."""
    if value.startswith("[") or "<<" in value:
        return None
    try:
        lexer = shlex.shlex(value, posix=False, punctuation_chars="();<>|&\n")
        lexer.whitespace_split = True
        lexer.commenters = ""
        tokens = list(lexer)
    except ValueError:
        return None
    chain: list[list[str]] = [[]]
    for token in tokens:
        if token == "&&":
            chain.append([])
        elif set(token) & set("();|&") and not token.startswith(("'", '"')):
            return None
        else:
            chain[-1].append(token)
    joined = [" ".join(words) for words in chain if words]
    same = "".join(" && ".join(joined).split()) == "".join(value.split())
    return tuple(joined) if same else None


@cache
def installed_by(command: str) -> tuple[str, ...] | None:
    """The packages an ``apt-get install`` asks for; None when the command is another one."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if not words or words[0] != "apt-get" or "install" not in words:
        return None
    names = [word for word in words[1:] if not word.startswith("-") and word != "install"]
    plain = all(re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", name) for name in names)
    return tuple(names) if plain else None


def packages(text: str) -> list[str]:
    """Every package that the Dockerfile's RUN chains install with apt-get, sorted."""
    names: set[str] = set()
    for instruction in instructions(text):
        if instruction.keyword == "RUN":
            for command in commands(instruction.value) or ():
                names.update(installed_by(command) or ())
    return sorted(names)


def on_prepared_root(text: str, held: Collection[str]) -> str:
    """The Dockerfile without the apt-get work that a bootstrapped root has already had done.

    The root was made from the archive with these packages at their newest, so
    installing them again, or upgrading, changes nothing; yet each
    ``apt-get update`` reads the whole index, which takes a minute when apt is
    emulated.  An update stays where an install that follows it in the same RUN
    does.

    :param held: the packages the root was made with.
    """
    lines = text.split("\n")
    for instruction in reversed(instructions(text)):
        chain = commands(instruction.value) if instruction.keyword == "RUN" else None
        if chain is None:
            continue
        kept = _needed(chain, set(held))
        if kept == chain:
            continue
        replacement = ["# kollarm: without what the bootstrapped root already holds"]
        if kept:
            replacement.append("RUN " + " \\\n    && ".join(kept))
        lines[instruction.first - 1 : instruction.last] = replacement
    return "\n".join(lines)


def _needed(chain: tuple[str, ...], held: set[str]) -> tuple[str, ...]:
    def idle(command: str) -> bool:
        names = installed_by(command)
        return (names is not None and held.issuperset(names)) or bool(
            re.fullmatch(r"apt-get( -\S+)* (dist-)?upgrade( -\S+)*", command)
        )

    def is_update(command: str) -> bool:
        return bool(re.fullmatch(r"apt-get( -\S+)* update( -\S+)*", command))

    if not any(idle(command) for command in chain):
        return chain
    kept = tuple(command for command in chain if not idle(command))
    if not any(re.match(r"apt(-get)? .*\b(install|upgrade)\b", command) for command in kept):
        kept = tuple(command for command in kept if not is_update(command))
    cleaning = ("apt-get clean", "rm -rf /var/lib/apt/lists/*")
    return () if all(command in cleaning for command in kept) else kept
