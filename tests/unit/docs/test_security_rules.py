"""The rules of docs/security.md name the functions that enforce them."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import core

PROJECT = Path(core.__file__).parents[1]
PAGE = (PROJECT / "docs" / "security.md").read_text(encoding="utf-8")
RULES = [
    line
    for line in PAGE.partition("## The rules")[2].partition("### Limits")[0].splitlines()
    if line.startswith("| ") and not line.startswith("| rule")
]


def resolved(name: str) -> object:
    """What a dotted name stands for: a module, or something in one."""
    words = name.split(".")
    for length in range(len(words), 0, -1):
        try:
            found: object = importlib.import_module(".".join(words[:length]))
        except ModuleNotFoundError:
            continue
        for word in words[length:]:
            found = getattr(found, word)
        return found
    raise AttributeError(name)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule[2:50].rstrip())
def test_each_rule_names_what_enforces_it(rule: str) -> None:
    names = re.findall(r"`((?:core|builder|guestprep|deploy|kollarm)\.[\w.]+)`", rule)
    assert names
    for name in names:
        assert resolved(name) is not None


def test_there_are_rules() -> None:
    assert len(RULES) > 15
