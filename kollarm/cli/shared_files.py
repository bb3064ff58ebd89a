"""``python -m kollarm.cli.shared_files FOLDER``: the manual page and the completions.

They are made from the commands themselves, and lie in ``share`` of the checkout, from where the
wheel gets them; a test compares them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from core import files
from kollarm.cli.main import cli

NAME = "kollarm"

#: Where each shell looks for completions, below a prefix's ``share``.
COMPLETIONS = {
    "bash": f"bash-completion/completions/{NAME}",
    "zsh": f"zsh/site-functions/_{NAME}",
    "fish": f"fish/vendor_completions.d/{NAME}.fish",
}


def shared_files() -> dict[str, str]:
    """The files' texts by their paths below ``share``."""
    made = {f"man/man1/{NAME}.1": manual_page()}
    for shell, path in COMPLETIONS.items():
        maker = get_completion_class(shell)
        assert maker is not None
        made[path] = maker(cli, {}, NAME, f"_{NAME.upper()}_COMPLETE").source().strip() + "\n"
    return made


def manual_page() -> str:
    """The manual page, for man(7)."""
    lines = [
        f".TH {NAME.upper()} 1",
        ".SH NAME",
        rf"{NAME} \- one OpenStack cloud of x86_64 and ARM machines",
        ".SH SYNOPSIS",
        rf".B {NAME} \fICOMMAND\fR [\fIOPTION\fR]... [\fIARGUMENT\fR]...",
        ".SH DESCRIPTION",
        *_text(cli.help or ""),
        ".SH COMMANDS",
    ]
    for words, command in _commands(cli, (NAME,)):
        lines += _command(words, command)
    lines += [
        ".SH EXIT STATUS",
        "0 done; 1 failed; 2 wrong configuration or usage; 130 interrupted;",
        "129 the terminal is gone.",
        ".SH FILES",
        ".TP",
        ".I kollarm.yml",
        rf"The configuration. \fB{NAME} init\fR writes one; \fB{NAME} config schema\fR lists its",
        "keys.",
    ]
    return "\n".join(lines) + "\n"


def _commands(
    command: click.Command, words: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield words, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from _commands(below, (*words, name))


def _command(words: tuple[str, ...], command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=" ".join(words))
    usage = " ".join(command.collect_usage_pieces(context))
    yield f".SS {_escaped(' '.join(words))} {_escaped(usage)}"
    yield from _text(command.help or "")
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None and isinstance(parameter, click.Option):
            yield from (".TP", f".B {_escaped(record[0])}", *_text(record[1]))


def _text(text: str) -> Iterator[str]:
    """Paragraphs as lines of the page."""
    for number, paragraph in enumerate(text.replace("\b", "").split("\n\n")):
        if number:
            yield ".PP"
        # \& keeps a dot or an apostrophe at a line's start from being a request
        yield r"\&" + _escaped(" ".join(paragraph.split()))


def _escaped(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-")


if __name__ == "__main__":
    for place, content in shared_files().items():
        files.write(Path(sys.argv[1]) / place, content)
