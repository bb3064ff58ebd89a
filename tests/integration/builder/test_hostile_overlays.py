"""Hostile overlays at every command that reads one: refused, and nothing outside is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.kolla import releases
from builder.kolla.render import render
from builder.kolla.request import RenderRequest, TemplateChanges
from builder.kolla.toolchain import toolchain
from core.config.model import Architecture, Distro
from core.untrusted_names import UnsafeNameError
from tests.support import hostile_overlays
from tests.support.commands import kollarm

pytestmark = pytest.mark.integration

COMMANDS = (
    ("lint",),
    ("overlays", "list"),
    ("overlays", "diff", "cron"),
    ("build", "cron", "--dry-run"),
    ("build", "cron"),
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_refuses_them(words: tuple[str, ...], tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text(hostile_overlays.SECRET)
    overlays = tmp_path / "project" / "dockerfile_overlays"
    for kind, spoil in hostile_overlays.KINDS.items():
        spoil(hostile_overlays.make(overlays, kind), outside / "secret")
    (tmp_path / "project" / "kollarm.yml").write_text(
        f"registry: {{address: '127.0.0.1:1'}}\n"
        f"build: {{overlays: [{', '.join(hostile_overlays.KINDS)}]}}\n"
    )
    outcome = kollarm(*words, cwd=tmp_path / "project")
    shown = outcome.stdout + outcome.stderr
    assert outcome.status == 2
    # a listing ends at the first overlay that can't be read
    expected = hostile_overlays.KINDS if words != ("overlays", "list") else ["description-link"]
    assert [kind for kind in expected if f"dockerfile_overlays/{kind}/" not in shown] == []
    assert hostile_overlays.SECRET not in shown
    assert [path.name for path in outside.iterdir()] == ["secret"]


UP = "../../../../escaped"
LINK = (
    "diff --git a/cron/stolen b/cron/stolen\nnew file mode 120000\n--- /dev/null\n"
    "+++ b/cron/stolen\n@@ -0,0 +1 @@\n+/etc/hostname\n\\ No newline at end of file\n"
)


@pytest.mark.parametrize(
    "changes",
    [
        TemplateChanges(files={"cron": {UP: b"x"}}),
        TemplateChanges(files={"cron": {"/escaped": b"x"}}),
        TemplateChanges(patches={"cron": {"series": b"", UP: b"x"}}),
        TemplateChanges(patches={UP: {"series": b""}}),
        TemplateChanges(tree_patches=(("x", LINK),)),
    ],
    ids=["files-up", "files-absolute", "patch-up", "image-up", "patched-link"],
)
def test_nothing_is_written_outside_of_a_rendering(changes: TemplateChanges) -> None:
    request = RenderRequest(Architecture.X86_64, Distro.DEBIAN, changes)
    with pytest.raises(UnsafeNameError):
        render(toolchain(releases.find("2026.1")), request)


HOSTILE_WORDS = """
registry: {address: "127.0.0.1:1"}
build:
  kolla: {git: "--upload-pack=touch pwned;:", ref: "--output=pwned"}
  base: {bootstrap: {suite: "--setup-hook=touch pwned"}}
  engines: {x86_64: {url: "ssh://-oProxyCommand=touch pwned;@h"}}
  sources: {cron: {git: "ext::touch pwned"}}
"""


@pytest.mark.parametrize("words", [("config", "show"), *COMMANDS], ids=" ".join)
def test_no_command_takes_a_value_for_an_option(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "kollarm.yml").write_text(HOSTILE_WORDS)
    outcome = kollarm(*words, cwd=tmp_path)
    assert outcome.status == 2
    for key in ("kolla.git", "kolla.ref", "bootstrap.suite", "x86_64.url", "cron.git"):
        assert key in outcome.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["kollarm.yml"]
