"""No file of ours has a name in /tmp that another user could take first."""

from __future__ import annotations

import re

from core.paths import project_dir

#: A name in /tmp itself: not below a root ("$root/tmp/…"), and not the folder alone.
_NAME = re.compile(r"(?<![\w}\"$/.~-])(?:/var)?/tmp/[\w$.{-]")

#: In a guest, a root or a container, where nobody else is.
INSIDE = {
    "guestprep/inside/emulation.py",
}


def test_no_file_has_a_predictable_name_in_tmp() -> None:
    found = []
    for folder in ("builder", "core", "deploy", "guestprep", "kollarm", "scripts", "testbed"):
        for path in (project_dir() / folder).rglob("*"):
            name = str(path.relative_to(project_dir()))
            if name in INSIDE or "__pycache__" in name or not path.is_file():
                continue
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            found += [f"{name}: {line.strip()}" for line in lines if _NAME.search(line)]
    assert found == []
