"""Files are read and written as UTF-8, whatever the user's locale is."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from core.paths import project_dir
from tests.layers import PRODUCT

#: Functions that take the locale's encoding unless they are told one.
READERS = {"read_text", "write_text", "open", "fdopen"}

#: Modes of files that aren't text.
MODES = {"rb", "wb", "ab", "r+b", "w+b"}

#: Modules whose ``open`` has nothing to do with text.
OTHERS = {"tarfile", "Image", "os"}

#: Runs in a Kolla release's own environment, always in the C.UTF-8 locale.
DRIVER = "kolla_driver.py"


def test_no_file_is_opened_in_the_locales_encoding() -> None:
    assert [*places()] == []


def places() -> Iterator[str]:
    for package in PRODUCT:
        for path in sorted((project_dir() / package).rglob("*.py")):
            if path.name != DRIVER:
                tree = ast.parse(path.read_text(encoding="utf-8"))
                yield from (f"{path}:{call.lineno}" for call in unspecified(tree))


def unspecified(tree: ast.AST) -> Iterator[ast.Call]:
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        given = {keyword.arg for keyword in call.keywords}
        if given & {"text", "universal_newlines"} and "encoding" not in given:
            yield call
        if "encoding" in given or _name(call) not in READERS or _of_others(call):
            continue
        words = {str(each.value) for each in ast.walk(call) if isinstance(each, ast.Constant)}
        if "utf-8" not in words and not words & MODES:
            yield call


def _name(call: ast.Call) -> str:
    """Of the function or method; a function of ours isn't one of :data:`READERS`."""
    named = getattr(call.func, "attr", "")
    return named or ("open" if getattr(call.func, "id", "") == "open" else "")


def _of_others(call: ast.Call) -> bool:
    owner = getattr(call.func, "value", None)
    return _name(call) == "open" and getattr(owner, "id", "") in OTHERS
