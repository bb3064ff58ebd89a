"""Rendering and lint against the template trees of real releases, old and new."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from builder.facts import ImageSource
from builder.kolla import sources
from builder.kolla.releases import find
from builder.kolla.render import render
from builder.kolla.request import RenderRequest, TemplateChanges
from builder.kolla.toolchain import at_commit, toolchain
from builder.lint import kolla_templates
from builder.lint.check import check_overlays, plain_tree
from builder.overlay_diff import dockerfile_diff
from builder.overlays.combine import combine
from builder.overlays.listing import list_overlays
from builder.overlays.model import choose
from builder.rendering import render_all
from core.config.model import Architecture, Build, Checkout, Config, Distro
from core.errors import ConfigError, KollarmError

pytestmark = pytest.mark.integration

ARM = Architecture.AARCH64
SHIPPED = Path(__file__).resolve().parents[3] / "dockerfile_overlays"

#: Those that `make test` renders; `make test-all` does all.
QUICK = ("rocky", "2026.2")
RELEASES = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.full)
    for name in ("rocky", "train", "yoga", "2024.1", "2025.1", "2026.1", "2026.2")
]


@pytest.mark.parametrize("release", RELEASES)
def test_every_release_renders_for_arm(release: str) -> None:
    tree = plain_tree(release)
    arm = render(
        toolchain(find(release)),
        RenderRequest(Architecture.AARCH64, Distro.UBUNTU),
    )
    assert set(arm.images) == set(tree.images)
    assert len(arm.images) > 150
    compute = arm.images["nova-compute"]
    assert compute.parent == "nova-base"
    assert "FROM kollarm.invalid/rendered/" in (compute.context / "Dockerfile").read_text()
    assert arm.images["nova-base"].source is not None
    points = kolla_templates.read(tree.templates)
    assert "nova_compute_footer" in points.blocks
    assert "nova_compute_packages_append" in points.lists
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
    report = check_overlays(release, [tmp_path])
    [fault] = report.faults
    assert fault.where.endswith(":4")
    assert fault.hint is not None and "nova_compute_footer" in fault.hint


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kolla's own sources in a git repository, as somebody keeps them who changes a template."""
    archive = sources.fetch(ImageSource("kolla", "pypi", "kolla==22.2.0"))
    assert archive is not None
    folder = tmp_path_factory.mktemp("git")
    subprocess.run(["tar", "-xf", archive, "-C", folder, "--no-same-owner"], check=True)
    root = folder / "kolla-22.2.0"
    (root / "PKG-INFO").unlink()  # else its version is taken for the repository's

    # the same commits in every run, so that what is made from them stays in the cache
    dates = {"GIT_AUTHOR_DATE": "2026-01-01T00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00Z"}

    def git(*words: str) -> None:
        name = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(
            ["git", *name, *words],
            cwd=root,
            check=True,
            capture_output=True,
            env=dict(os.environ) | dates,
        )

    git("init", "--quiet", "--initial-branch", "master")
    git("add", "--all", "--force")
    git("commit", "--quiet", "-m", "as released")
    git("tag", "-a", "22.2.0", "-m", "released")
    git("checkout", "--quiet", "-b", "stable/mine")
    template = root / "docker/cron/Dockerfile.j2"
    template.write_text(template.read_text() + "RUN echo mine\n")
    git("commit", "--quiet", "-a", "-m", "changed")
    git("checkout", "--quiet", "master")
    return root


def test_kolla_from_a_repository_at_a_ref(repository: Path) -> None:
    def cron(ref: str) -> str:
        kolla = Checkout(git=str(repository), ref=ref)
        config = Config(build=Build(kolla=kolla))
        rendered = render_all(config, [], [ARM])[ARM].images["cron"]
        return (rendered.context / "Dockerfile").read_text()

    assert cron("stable/mine").endswith("RUN echo mine")
    assert "RUN echo mine" not in cron("22.2.0")
    with pytest.raises(ConfigError, match="ref doesn't exist"):
        cron("stable/yours")
    with pytest.raises(KollarmError, match="can't be read"):
        at_commit(find("2026.1"), Checkout(git="/nowhere", ref="x"))


def test_the_labels_of_kolla_build_are_known() -> None:
    found = {name.rpartition(".")[2] for name in plain_tree("2026.1").images["cron"].labels}
    assert {"authors", "description", "licenses", "url"} <= found


def test_overlays_are_in_the_rendered_tree(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "patches" / "cron").mkdir(parents=True)
    (folder / "overlay.yml").write_text("description: x\nwhy: y\n")
    (folder / "template-override.j2").write_text(
        "{% block footer %}{{ super() }}RUN echo mine{% endblock %}"
    )
    (folder / "kolla-build.conf").write_text("[DEFAULT]\nmaintainer = Me\n")
    (folder / "repos.yaml").write_text("debian: {fluentd: {url: https://mirror.example/f}}\n")
    (folder / "apt-preferences").write_text("Package: *\nPin: release a=x\nPin-Priority: 1\n")
    (folder / "patches" / "cron" / "series").write_text("one.patch\n")
    (folder / "patches" / "cron" / "one.patch").write_text("--- a\n+++ b\n")
    (folder / "tree.patch").write_text(
        "--- a/cron/extend_start.sh\n+++ b/cron/extend_start.sh\n"
        "@@ -1,3 +1,4 @@\n #!/bin/bash\n+# patched\n"
    )
    first, second, *_ = (
        plain_tree("2026.1")
        .images["cron"]
        .context.joinpath("extend_start.sh")
        .read_text()
        .splitlines()[1:]
    )
    with (folder / "tree.patch").open("a") as stream:
        stream.write(f" {first}\n {second}\n")
    changes = combine(
        choose(["mine"], [tmp_path]),
        release="2026.1",
        distro=Distro.DEBIAN,
        architecture=Architecture.AARCH64,
        variables={},
        ca_certificates={},
    )
    tree = render(
        toolchain(find("2026.1")),
        RenderRequest(Architecture.AARCH64, Distro.DEBIAN, changes),
    )
    cron = tree.images["cron"].context
    text = (cron / "Dockerfile").read_text()
    assert "RUN echo mine" in text
    assert 'maintainer="Me"' in text
    assert "RUN kolla_patch" in text
    assert (cron / "patches" / "series").read_text() == "mine-one.patch\n"
    assert "# patched" in (cron / "extend_start.sh").read_text()
    fluentd = (tree.images["fluentd"].context / "Dockerfile").read_text()
    assert "https://mirror.example/f" in fluentd and "fluentd.asc" in fluentd
    pins = (tree.images["base"].context / "apt_preferences").read_text()
    assert "# overlay mine" in pins and "Pin-Priority: 1" in pins


def test_repositories_of_unknown_distributions_are_refused() -> None:
    changes = TemplateChanges(repositories={"debain": {"fluentd": {"url": "x"}}})
    with pytest.raises(ConfigError) as caught:
        render(
            toolchain(find("2026.1")), RenderRequest(Architecture.X86_64, Distro.DEBIAN, changes)
        )
    assert "'debian'" in (caught.value.faults[0].hint or "")


def test_preferences_without_effect_are_refused() -> None:
    changes = TemplateChanges(preferences="Package: *\n")
    with pytest.raises(ConfigError, match="preferences"):
        render(toolchain(find("2026.1")), RenderRequest(Architecture.X86_64, Distro.ROCKY, changes))


def test_what_overlays_change_in_an_image_and_what_not() -> None:
    config = Config(build=Build(overlays=["debian-archive-only"]))
    shown = [
        dockerfile_diff(config, image, architecture=Architecture.AARCH64)
        for image in ("base", "cron")
    ]
    assert "-            && curl https://rpm.grafana.com/gpg.key" in shown[0]
    assert "+RUN rm /usr/local/sbin/extrepo" in shown[0]
    assert "build-date" not in shown[0]
    assert shown[1] == ""
    with pytest.raises(ConfigError):
        dockerfile_diff(config, "crno", architecture=Architecture.AARCH64)


def test_the_list_of_overlays() -> None:
    found = list_overlays([SHIPPED], ["ca-certificates"])
    rows = {row["name"]: row["chosen"] for row in found.to_dict()}
    assert rows["ca-certificates"] is True and rows["debian-archive-only"] is False
