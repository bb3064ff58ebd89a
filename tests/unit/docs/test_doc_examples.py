"""The documentation's examples, tried: commands, configurations, what is printed."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import pytest

from core.attestation.signing import read_key, read_public_key
from core.config.load import parse
from core.paths import project_dir
from kollarm.cli.main import cli, main

PAGES = [
    project_dir() / "README.md",
    project_dir() / "HACKING.md",
    *sorted(project_dir().glob("docs/*.md")),
]


def blocks(page: Path, *kinds: str) -> list[str]:
    """The fenced blocks of some kinds."""
    found = re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [text for kind, text in found if kind in kinds]


def shell_lines(page: Path) -> Iterator[str]:
    """What a reader would type."""
    for kind in ("console", "sh"):
        for text in blocks(page, kind):
            for line in text.replace("\\\n", " ").splitlines():
                if kind == "sh" or line.startswith("$ "):
                    yield line.removeprefix("$ ")


def typed(page: Path) -> Iterator[list[str]]:
    """The words of each command of kollarm's that a reader would type."""
    for line in shell_lines(page):
        for part in re.split(r"&&|;|\||\s>", line):
            words = shlex.split(part, comments=True)
            if words and words[0].endswith("kollarm"):
                yield words[1:]


def named(page: Path) -> Iterator[list[str]]:
    """The words of the commands within sentences, without what may be left out: [IMAGE…]."""
    for text in re.findall(r"`kollarm ([^`]+)`", page.read_text()):
        yield re.sub(r"\[[^\]]*\]", "", text.replace("\n", " ")).replace("…", "").split()


def understood(words: list[str]) -> click.Context:
    """Parse a command's words as the command line does; nothing is carried out.

    :raises click.UsageError: there is no such command, option or argument.
    """
    context = cli.make_context("kollarm", list(words))
    command: click.Command = cli
    while isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest:
            return context  # a group is named without a command
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command, context = found, found.make_context(name, rest, parent=context)
    return context


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_understood(page: Path) -> None:
    for words in typed(page):
        understood(words)
    for words in named(page):
        if "--help" not in words:
            # a sentence may leave an argument out, or an option's value, or say PART for it
            with suppress(
                click.MissingParameter,
                click.BadOptionUsage,
                click.BadParameter,
                click.exceptions.NoArgsIsHelpError,
            ):
                understood(words)


def test_that_is_seen_when_it_is_wrong() -> None:
    for words in (["biuld"], ["build", "--no-such"], ["guest", "prepare", "--only", "nothing"]):
        with pytest.raises(click.UsageError):
            understood(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_targets_and_scripts_are_there(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (project_dir() / "Makefile").read_text(), re.MULTILINE))
    for words in (shlex.split(line, comments=True) for line in shell_lines(page)):
        if words[:1] == ["make"]:
            assert set(words[1:]) <= targets, words
        elif words and words[0].startswith("scripts/"):
            assert (project_dir() / words[0]).exists(), words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_configurations_are_valid(page: Path, tmp_path: Path) -> None:
    if page.name == "ci.md":
        return  # its files are other programs'
    for text in blocks(page, "yaml"):
        whole = text.replace("6ca9…", "6c" * 32)
        if page.name == "console.md":  # what is added to a guest that is there
            whole = whole.replace("  - name", "  - source: {image: ubuntu-22.04}\n    name")
        assert parse(whole, tmp_path / "kollarm.yml").release


def test_the_mistakes_of_the_readme_are_told_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = project_dir() / "README.md"
    [example] = blocks(page, "yaml")
    wrong = example.replace('"2026.1"', "2026.1").replace("overlays:", "overlay:")
    (tmp_path / "kollarm.yml").write_text(wrong)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert main(["config", "show"]) == 2
    [shown] = [text for text in blocks(page, "console") if "config show" in text]
    assert shown.splitlines()[1:] == capsys.readouterr().err.splitlines()


def test_the_keys_of_security_are_made_and_read(tmp_path: Path) -> None:
    [script] = blocks(project_dir() / "docs" / "security.md", "sh")
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, check=True, capture_output=True)
    key = read_key(tmp_path / "kollarm.pem")
    assert read_public_key(tmp_path / "kollarm.pub").good(key.sign(b"text"), b"text")
