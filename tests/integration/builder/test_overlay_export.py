"""Exported overlays: Kolla's own kolla-build renders with them what kollarm renders."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.context import dockerfile
from builder.facts import RenderedTree
from builder.kolla.releases import find
from builder.overlay_export import export
from builder.overlays.model import choose
from builder.rendering import render_all
from core import venv
from core.config.model import Architecture, Build, Config
from core.errors import ConfigError
from core.run import run
from tests.support.commands import kollarm

pytestmark = pytest.mark.integration

ARM = Architecture.AARCH64


def plain(text: str) -> str:
    text = dockerfile.with_parent(dockerfile.without_date(text), "parent")
    return dockerfile.essence(dockerfile.without_patching(text))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    folder = tmp_path / "dockerfile_overlays" / "mine"
    (folder / "files").mkdir(parents=True)
    (folder / "overlay.yml").write_text("description: x\nwhy: y\nfiles: {cron: [a]}\n")
    (folder / "files" / "a").write_text("from files")
    (folder / "kolla-build.conf").write_text(
        "[DEFAULT]\nmaintainer = Me $HOME\n[cron-user]\nuid = 4711\n"
        "[base-additions-x]\ntype = local\nlocation = files/a\n"
    )
    (folder / "template-override.j2").write_text(
        "{% set cron_packages_append = ['rsync'] %}"
        "{% block cron_footer %}COPY overlays/mine/a /a{% endblock %}"
    )
    (folder / "repos.yaml").write_text("debian: {fluentd: {url: https://mirror.example/f}}\n")
    (folder / "tree.patch").write_text("--- /dev/null\n+++ b/cron/new\n@@ -0,0 +1 @@\n+new\n")
    (folder / "patches" / "cron").mkdir(parents=True)
    (folder / "patches" / "cron" / "series").write_text("one.patch\n")
    (folder / "patches" / "cron" / "one.patch").write_text("--- a\n+++ b\n")
    build = Build(
        overlays=["ca-certificates", "debian-archive-only", "mine"], overlay_dir=folder.parent
    )
    return Config(build=build)


def test_kolla_build_renders_the_same(config: Config, tmp_path: Path) -> None:
    result = export(config, tmp_path / "exported")
    folder = tmp_path / "exported" / "aarch64"
    assert list(result.to_dict()) == [str(folder.with_name("x86_64")), str(folder)]
    (requirement,) = find(config.release).requirements
    # Kolla doesn't ask for docker's package, without which its tool doesn't start
    kolla = venv.environment("kolla-build", [requirement, "docker"]) / "bin" / "kolla-build"
    run(
        [kolla, "--config-file", folder / "kolla-build.conf",
         "--template-only", "--work-dir", tmp_path / "work"],
        timeout=600,
    )  # fmt: skip
    chosen = choose(config.build.overlays, config.overlay_dirs)
    ours: RenderedTree = render_all(config, chosen, [ARM])[ARM]
    root = ours.images["base"].context.parent
    work = tmp_path / "work" / "docker"
    buildable = [image for image in ours.images.values() if not image.unbuildable]
    assert len(buildable) > 100
    for image in buildable:
        theirs = work / image.context.relative_to(root) / "Dockerfile"
        assert plain(theirs.read_text()) == plain((image.context / "Dockerfile").read_text())
    assert (work / "cron" / "overlays" / "mine" / "a").read_text() == "from files"
    assert (work / "cron" / "new").read_text() == "new\n"
    assert (work / "cron" / "patches" / "mine-one.patch").exists()
    location = next(
        line for line in (folder / "kolla-build.conf").read_text().splitlines() if "sources" in line
    ).partition(" = ")[2]
    assert Path(location).read_text() == "from files"


def test_a_folder_with_something_in_it_stays(config: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="empty"):
        export(config, tmp_path)


def test_a_difference_is_printed_as_json(tmp_path: Path) -> None:
    folder = tmp_path / "dockerfile_overlays" / "mine"
    folder.mkdir(parents=True)
    (folder / "overlay.yml").write_text("description: x\nwhy: y\n")
    (folder / "template-override.j2").write_text(
        "{% extends parent_template %}\n{% block cron_footer %}RUN echo mine\n{% endblock %}\n"
    )
    config = tmp_path / "kollarm.yml"
    config.write_text("build: {overlays: [mine]}\n")
    for image, changed in (("cron", True), ("base", False)):
        done = kollarm("overlays", "diff", image, "--json", "--config", config)
        assert done.status == 0, done.stderr
        assert ("RUN echo mine" in done.document["diff"]) is changed
        assert done.document["image"] == image
