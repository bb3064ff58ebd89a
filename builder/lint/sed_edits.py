"""Steps of overlays that may silently change nothing.

``sed -i`` succeeds also when no line matches, so an overlay that edits a file goes
on doing nothing once the file is written differently.  A step counts as safe when it
checks first (or afterwards) that the text is there, with grep on the same file in
the same RUN.  Where the file is one that Kolla's own build context brings into the
image, sed is tried on it.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, TemplateSyntaxError

from builder.context import dockerfile
from core.untrusted_names import UnsafeNameError, path_inside

_ENVIRONMENT = Environment()

#: Seconds that sed may take: an overlay's script may go round for ever.
TRIAL = 10.0

#: Stands for ``{{ … }}`` in a step: its value is only known when it is rendered.
PLACEHOLDER = "KOLLARM-VALUE"

_ASSIGNMENT = re.compile(r"(\w+)=(.*)", re.DOTALL)
_SEPARATORS = {"&&", "||", ";", "|", "\n", "(", ")"}
_HARMLESS = ("--expression=", "--regexp-extended", "--quiet", "--silent", "--null-data")
_NO_COMMAND = {"if", "then", "else", "do", "while", "!", "{"}


@dataclass(frozen=True)
class SedEdit:
    """A ``sed -i`` of one file."""

    line: int
    file: str
    arguments: tuple[str, ...]
    """The arguments of sed, without the files."""
    guarded: bool
    """The RUN fails by itself when the text isn't there."""


@dataclass(frozen=True)
class UncheckedPatch:
    """A ``patch`` whose failure the RUN ignores."""

    line: int


def without_jinja(source: str) -> str:
    """A template's text alone, line for line; printed values are :data:`PLACEHOLDER`."""
    parts: list[str] = []
    try:
        for _, kind, value in _ENVIRONMENT.lexer.tokeniter(source, None):
            if kind == "variable_begin":
                parts.append(PLACEHOLDER)
            parts.append(value if kind == "data" else "\n" * value.count("\n"))
    except TemplateSyntaxError:
        return ""  # a fault of its own already
    return "".join(parts)


def find(text: str, lines: Collection[int] | None = None) -> Iterator[SedEdit | UncheckedPatch]:
    """The edits of files in the RUN instructions of a Dockerfile's text.

    :param text: as :func:`without_jinja` leaves it.
    :param lines: look only at instructions that have one of these lines.
    """
    for instruction in dockerfile.instructions(text):
        span = range(instruction.first, instruction.last + 1)
        if instruction.keyword == "RUN" and (lines is None or any(n in lines for n in span)):
            yield from _of_run(instruction.value, instruction.first)


def _of_run(value: str, line: int) -> Iterator[SedEdit | UncheckedPatch]:
    try:
        lexer = shlex.shlex(value, posix=True, punctuation_chars="();|&\n")
        lexer.whitespace_split = True
        lexer.commenters = ""
        words = list(lexer)
    except ValueError:
        return
    commands: list[tuple[list[str], str]] = []
    current: list[str] = []
    for word in [*words, ";"]:
        if word in _SEPARATORS:
            if current:
                commands.append((current, word))
            current = []
        elif current or word not in _NO_COMMAND:
            current.append(word)
    asked = {word for command, _ in commands if command[0] == "grep" for word in command[1:]}
    for command, _ in commands:
        match = _ASSIGNMENT.match(command[0])
        if match and "grep" in " ".join(command):
            asked |= {f"${match[1]}", f"${{{match[1]}}}"}
    for command, after in commands:
        if command[0] == "sed" and (parsed := _sed(command[1:])):
            arguments, files = parsed
            for file in files:
                yield SedEdit(line, file, arguments, file in asked)
        elif command[0] == "patch" and after == "||":
            yield UncheckedPatch(line)


def _sed(words: list[str]) -> tuple[tuple[str, ...], list[str]] | None:
    """The arguments and files of a sed that works in place; None of one that doesn't."""
    in_place = script = False
    arguments: list[str] = []
    rest: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word.startswith("--"):
            in_place |= word.startswith("--in-place")
            script |= word.startswith(("--expression", "--file"))
            arguments += [] if word.startswith("--in-place") else [word]
        elif word.startswith("-") and len(word) > 1:
            flags = word[1:]
            letters = re.match(r"[nErsuz]*", flags)
            assert letters is not None
            kept, flags = letters[0], flags[letters.end() :]
            arguments += [f"-{kept}"] if kept else []
            if flags.startswith("i"):
                in_place = True  # what follows is the suffix of a backup
            elif flags[:1] in ("e", "f"):
                script = True
                own = flags[1:]
                if not own and position < len(words):
                    own = words[position]
                    position += 1
                arguments += [f"-{flags[0]}", own]
        else:
            rest.append(word)
    if not in_place:
        return None
    if not script and rest:
        arguments += ["-e", rest.pop(0)]
    return tuple(arguments), rest


def tried(edit: SedEdit, content: bytes) -> bool | None:
    """Whether an edit changes this content; None when that isn't known here.

    sed runs in its sandbox: it can neither run commands nor write files.
    """
    if any(PLACEHOLDER in word or "$" in word.rstrip("$") for word in edit.arguments):
        return None
    if any(
        word.startswith(("--", "-f")) and not word.startswith(_HARMLESS) for word in edit.arguments
    ):
        return None  # a script that lies in a file of this machine, or an option that isn't known
    try:
        done = subprocess.run(
            ["sed", "--sandbox", *edit.arguments],
            input=content,
            capture_output=True,
            check=False,
            timeout=TRIAL,
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout != content if done.returncode == 0 else None


def _inside(context: Path, name: str) -> Path | None:
    try:
        return path_inside(context, name, of="a COPY")
    except UnsafeNameError:
        return None


def copied(text: str, context: Path) -> Mapping[str, Path]:
    """Path in the image → file of the build context, for a Dockerfile's plain COPY lines."""
    found: dict[str, Path] = {}
    for instruction in dockerfile.instructions(text):
        if instruction.keyword != "COPY":
            continue
        words = [word for word in instruction.value.split() if not word.startswith("--")]
        *names, target = words if len(words) > 1 else ("", "")
        for name in names:
            path = _inside(context, name)
            if path is not None and path.is_file():
                into = target.endswith("/") or len(names) > 1
                found[f"{target.rstrip('/')}/{path.name}" if into else target] = path
    return found
