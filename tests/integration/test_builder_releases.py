"""Rendering and lint against the template trees of real releases, old and new."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder import lint, show, templates
from builder.overlays.chosen import combine
from builder.overlays.model import choose
from builder.releases import find
from builder.render import Request, render
from builder.toolchain import toolchain
from kollarm.config.model import Architecture, Build, Config, Distro
from kollarm.errors import ConfigError

pytestmark = pytest.mark.integration

SHIPPED = Path(__file__).resolve().parents[2] / "dockerfile_overlays"

RELEASES = ["rocky", "train", "yoga", "2024.1", "2025.1", "2026.1", "2026.2"]


@pytest.mark.parametrize("release", RELEASES)
def test_every_release_renders_for_arm(release: str) -> None:
    tree = lint.plain_tree(release)
    arm = render(
        toolchain(find(release)),
        Request(
            Architecture.AARCH64,
            {"base": "ubuntu", "install_type": "source", "quiet": "true"},
        ),
    )
    assert set(arm.images) == set(tree.images)
    assert len(arm.images) > 150
    compute = arm.images["nova-compute"]
    assert compute.parent == "nova-base"
    assert "FROM kollarm.invalid/rendered/" in (compute.context / "Dockerfile").read_text()
    assert arm.images["nova-base"].source is not None
    offer = templates.read(tree.templates)
    assert "nova_compute_footer" in offer.blocks
    assert "nova_compute_packages_append" in offer.lists
    assert {"base_arch", "base_distro", "image_name"} <= tree.template_names


@pytest.mark.parametrize("release", RELEASES)
def test_a_misspelt_block_is_found_in_every_release(release: str, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "overlay.yml").write_text("description: x\nwhy: y\n")
    (folder / "template-override.j2").write_text(
        "{% extends parent_template %}\n"
        "{% set nova_compute_packages_append = ['x'] %}\n"
        "{% block nova_compute_footer %}RUN echo {{ base_arch }}{% endblock %}\n"
        "{% block nova_compute_foter %}{% endblock %}\n"
    )
    report = lint.lint(release, [tmp_path])
    assert [fault.where.rsplit(":", 1)[1] for fault in report.faults] == ["4"]
    assert "nova_compute_footer" in str(report)


def test_the_shipped_overlays_have_no_fault_where_they_apply() -> None:
    report = lint.lint("2026.1", [SHIPPED], ["ca-certificates", "debian-archive-only"])
    assert report.faults == ()


def test_overlays_are_in_the_rendered_tree(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "patches" / "cron").mkdir(parents=True)
    (folder / "overlay.yml").write_text("description: x\nwhy: y\n")
    (folder / "template-override.j2").write_text(
        "{% block footer %}{{ super() }}RUN echo mine{% endblock %}"
    )
    (folder / "kolla-build.conf").write_text("[DEFAULT]\nmaintainer = Me\n")
    (folder / "patches" / "cron" / "series").write_text("one.patch\n")
    (folder / "patches" / "cron" / "one.patch").write_text("--- a\n+++ b\n")
    (folder / "tree.patch").write_text(
        "--- a/cron/extend_start.sh\n+++ b/cron/extend_start.sh\n"
        "@@ -1,3 +1,4 @@\n #!/bin/bash\n+# patched\n"
    )
    first, second, *_ = (
        lint.plain_tree("2026.1")
        .images["cron"]
        .context.joinpath("extend_start.sh")
        .read_text()
        .splitlines()[1:]
    )
    with (folder / "tree.patch").open("a") as stream:
        stream.write(f" {first}\n {second}\n")
    composed = combine(
        choose(["mine"], [tmp_path]),
        release="2026.1",
        distro=Distro.DEBIAN,
        architecture=Architecture.AARCH64,
        variables={},
        ca_certificates={},
    )
    tree = render(
        toolchain(find("2026.1")),
        Request(
            Architecture.AARCH64,
            {"base": "debian", "quiet": "true", **composed.settings["DEFAULT"]},
            override=composed.override,
            tree_patches=composed.tree_patches,
            patches=composed.patches,
        ),
    )
    cron = tree.images["cron"].context
    text = (cron / "Dockerfile").read_text()
    assert "RUN echo mine" in text
    assert 'maintainer="Me"' in text
    assert "RUN kolla_patch" in text
    assert (cron / "patches" / "series").read_text() == "mine-one.patch\n"
    assert "# patched" in (cron / "extend_start.sh").read_text()


def test_what_overlays_change_in_an_image_and_what_not() -> None:
    config = Config(build=Build(overlays=["debian-archive-only"]))
    shown = [
        show.diff(config, image, project_dir=SHIPPED.parent, architecture=Architecture.AARCH64)
        for image in ("base", "cron")
    ]
    assert "-            && curl https://rpm.grafana.com/gpg.key" in shown[0]
    assert "+RUN rm /usr/local/sbin/extrepo" in shown[0]
    assert "build-date" not in shown[0]
    assert shown[1] == ""
    with pytest.raises(ConfigError):
        show.diff(config, "crno", project_dir=SHIPPED.parent, architecture=Architecture.AARCH64)


def test_the_list_of_overlays() -> None:
    found = show.listing([SHIPPED], ["ca-certificates"])
    assert "* ca-certificates: debian, ubuntu" in str(found)
    assert "  debian-archive-only: debian" in str(found)
    assert {row["name"] for row in found.to_json()} >= {"ca-certificates", "debian-archive-only"}
