"""Overlays held against templates: every fault with its line and a guess."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builder.facts import RenderedImage, RenderedTree
from builder.lint import kolla_templates
from builder.lint.check import check_overlays
from builder.lint.kolla_templates import CustomizationPoints
from builder.lint.patches import patched
from builder.lint.rules import LintContext, faults_of, out_of_place
from builder.overlays.model import Overlay, read
from core.config.model import Architecture, Build, Engine
from core.errors import ConfigError, Fault
from tests.support.overlays import overlay

NAMES = frozenset({"base_arch", "image_name"})


@pytest.fixture
def points(tmp_path: Path) -> CustomizationPoints:
    for image in ("cron", "nova-compute"):
        stem = image.replace("-", "_")
        folder = tmp_path / image
        folder.mkdir()
        (folder / "Dockerfile.j2").write_text(
            '{% import "macros.j2" as macros with context %}\n'
            f"{{% block {stem}_header %}}{{% endblock %}}\n"
            f"{{% set {stem}_packages = ['a'] %}}\n"
            f"{{{{ {stem}_packages | customizable('packages') }}}}\n"
            f"{{% block {stem}_footer %}}{{% block footer %}}{{% endblock %}}{{% endblock %}}\n"
        )
    return kolla_templates.read(tmp_path)


def faults(
    one: Overlay, points: CustomizationPoints, *others: Overlay, tree: RenderedTree | None = None
) -> list[Fault]:
    return faults_of(one, [one, *others], LintContext(points, tree or bare_tree()))


def bare_tree(**images: RenderedImage) -> RenderedTree:
    return RenderedTree(
        architecture=Architecture.X86_64,
        kolla_version="22.2.0",
        base_image="ubuntu",
        base_tag="24.04",
        images=images,
        templates=Path("templates"),
        template_names=NAMES,
        distros=frozenset({"debian", "rocky", "ubuntu"}),
        known_options=frozenset({"maintainer", "patches_path"}),
    )


def written(folder: Path, template: str | None = None, **files: str) -> Overlay:
    """An overlay on disk; in names of files ``__`` is ``/`` and ``_DOT_`` a dot."""
    place = folder / "mine"
    place.mkdir()
    (place / "overlay.yml").write_text("description: x\nwhy: y\n")
    if template is not None:
        (place / "template-override.j2").write_text(template)
    for name, text in files.items():
        path = place / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read(place)


def test_what_templates_offer(points: CustomizationPoints) -> None:
    assert set(points.images) == {"cron", "nova-compute"}
    assert points.blocks["footer"] == {"cron", "nova-compute"}
    assert points.lists["nova_compute_packages_append"] == "nova-compute"
    assert "macros" in points.images["cron"]


def test_nothing_is_wrong(points: CustomizationPoints) -> None:
    text = (
        "{% set cron_packages_append = ['x'] %}{% set mine = 1 %}"
        "{% block cron_footer %}{{ super() }}{{ macros.x() }}{{ mine }}{{ base_arch }}{{ site }}"
        "{{ never | default('') }}{% if other is defined %}{% endif %}"
        "{% for n in range(3) %}{{ loop.index }}{{ n }}{% endfor %}{% endblock %}"
    )
    one = overlay("a", text, variables={"site": {"description": "x"}})
    assert faults(one, points) == []


@pytest.mark.parametrize(
    ("text", "line", "word", "guess"),
    [
        ("\n{% block cron_foter %}{% endblock %}", 2, "cron_foter", "cron_footer"),
        ("{% set cron_package_append = [] %}", 1, "cron_package_append", "cron_packages_append"),
        ("{% block cron_footer %}\n{{ base_arc }}{% endblock %}", 2, "base_arc", "base_arch"),
    ],
)
def test_a_misspelling_is_met_with_a_guess(
    points: CustomizationPoints, text: str, line: int, word: str, guess: str
) -> None:
    (fault,) = faults(overlay("a", text), points)
    assert fault.where == f"/overlays/a/template-override.j2:{line}"
    assert repr(word) in fault.message
    assert fault.hint is not None and guess in fault.hint


def test_unknown_images_and_blocks_outside_of_them(points: CustomizationPoints) -> None:
    text = "{% block cron_footer %}{% endblock %}"
    one = overlay("a", text, applies_to={"images": ["nova-compute", "crn"]})
    image, block = (fault.message for fault in faults(one, points))
    assert "'crn'" in image and "'cron_footer'" in block


@pytest.mark.parametrize(
    ("scope", "build", "message", "everywhere"),
    [
        ({"releases": ["rocky"]}, None, "applies to nothing in 2026.1", False),
        ({"releases": ["2026.1", "rockyy"]}, None, "no release 'rockyy'", True),
        ({"distros": ["centos"]}, None, "whose distributions are debian, rocky, ubuntu", False),
        ({"distros": ["rocky"]}, Build(), "the images' distribution is debian", False),
        (
            {"architectures": ["aarch64"]},
            Build(engines={Architecture.X86_64: Engine()}),
            "images are for x86_64",
            False,
        ),
    ],
)
def test_an_overlay_that_applies_to_nothing(
    scope: dict[str, list[str]], build: Build | None, message: str, everywhere: bool
) -> None:
    one = overlay("a", "", applies_to=scope)
    ((fault, always),) = out_of_place(one, bare_tree(), "2026.1", build)
    assert message in fault.message
    assert always is everywhere


def test_an_overlay_that_applies_here() -> None:
    one = overlay("a", "", applies_to={"releases": ["2026.1"], "distros": ["debian", "centos"]})
    assert list(out_of_place(one, bare_tree(), "2026.1", Build())) == []


def test_an_overlay_without_anything_changes_nothing(points: CustomizationPoints) -> None:
    (fault,) = faults(overlay("a", None), points)
    assert fault.message == "changes nothing"


def test_options_and_sections_that_kolla_does_not_know(
    points: CustomizationPoints, tmp_path: Path
) -> None:
    one = written(
        tmp_path,
        **{
            "kolla-build_DOT_conf": "[DEFAULT]\nmaintainer = Me\ninfra_rename = 1\n"
            "[cron-plugin-x]\nenabled = 0\n[crn]\nenabled = 0\n[cron-user]\nuid = 7\n"
        },
    )
    option, section = (fault.message for fault in faults(one, points))
    assert "'infra_rename'" in option and "[crn]" in section


PATCH = "--- a\n+++ b\n@@ -1 +1 @@\n-one\n+two\n"


def test_patches_for_unknown_images_and_without_effect(
    points: CustomizationPoints, tmp_path: Path
) -> None:
    one = written(
        tmp_path,
        patches__cron__series="good\nsame\n",
        patches__cron__good=PATCH,
        patches__cron__same=PATCH.replace("two", "one"),
        patches__crn__series="good\n",
        patches__crn__good=PATCH,
    )
    found = faults(one, points)
    assert [fault.message for fault in found] == ["changes nothing", "no image 'crn'"]
    old = replace(bare_tree(), known_options=frozenset())
    assert any("applies no patches" in fault.message for fault in faults(one, points, tree=old))


def test_a_variable_of_another_overlay_is_known_with_it(points: CustomizationPoints) -> None:
    one = overlay("a", "{% block cron_footer %}{{ theirs }}{% endblock %}")
    other = overlay("b", "{% set theirs = 1 %}")
    assert faults(one, points, other) == []
    assert len(faults(one, points)) == 1
    broken = overlay("c", "{% block")
    assert len(faults(broken, points, one)) == 1


def cron_tree(folder: Path) -> RenderedTree:
    """cron on base, whose context brings /usr/local/bin/start into the image."""
    folder /= "rendered"
    (folder / "base").mkdir(parents=True)
    (folder / "base" / "Dockerfile").write_text("FROM x\nCOPY start.sh /usr/local/bin/start\n")
    (folder / "base" / "start.sh").write_text("#!/bin/bash\nexec cron -f\n")
    (folder / "cron").mkdir()
    (folder / "cron" / "Dockerfile").write_text("FROM y\n")
    return bare_tree(
        base=RenderedImage("base", folder / "base", None, "base"),
        cron=RenderedImage("cron", folder / "cron", "base", "cron"),
    )


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("RUN sed -i 's/a/b/' /etc/x", "sed may leave /etc/x unchanged"),
        ("RUN true && \\\n    sed -i.bak -e 's/a/b/' -e s/c/d/ /etc/x", "sed may leave /etc/x"),
        ("RUN sed -Ei 's/{{ base_arch }}/b/' /etc/x", "sed may leave /etc/x"),
        ("RUN grep -q a /etc/y && sed -i s/a/b/ /etc/x", "sed may leave /etc/x"),
        ("RUN for f in a b; do sed --in-place s/a/b/ $f; done", "sed may leave $f"),
        ("RUN grep -q a /etc/x && sed -i s/a/b/ /etc/x", None),
        ("RUN sed -i s/a/b/ /etc/x && grep -q b /etc/x", None),
        ('RUN files="$(grep -l a /etc/*)" && sed -i s/a/b/ $files', None),
        ("RUN sed -n s/a/b/ /etc/x", None),
        ("# RUN sed -i s/a/b/ /etc/x", None),
        # files that come from a build context are tried
        ("RUN sed -i 's/cron -f/cron -n/' /usr/local/bin/start", None),
        ("RUN sed -i 's/cron -x/cron -n/' /usr/local/bin/start", "in cron unchanged"),
        (
            "RUN grep -q x /usr/local/bin/start && sed -i s/x1/y/ /usr/local/bin/start",
            "sed leaves /usr/local/bin/start in cron unchanged",
        ),
        ("RUN patch -p1 < /x || true", "goes on when this patch doesn't apply"),
        ("RUN patch -p1 < /x", None),
    ],
)
def test_steps_that_silently_change_nothing(
    points: CustomizationPoints, tmp_path: Path, step: str, message: str | None
) -> None:
    one = overlay("a", f"{{% block cron_footer %}}\n{step}\n{{% endblock %}}")
    found = faults(one, points, tree=cron_tree(tmp_path))
    if message is None:
        assert found == []
        return
    (fault,) = found
    assert message in fault.message
    assert fault.where == "/overlays/a/template-override.j2:2"


def test_steps_in_a_tree_patch_are_found_with_their_line(
    points: CustomizationPoints, tmp_path: Path
) -> None:
    one = written(
        tmp_path,
        tree_DOT_patch="--- a/x/cron/Dockerfile.j2\n+++ b/x/cron/Dockerfile.j2\n"
        "@@ -1,4 +1,5 @@\n RUN sed -i s/own/step/ /etc/of-kolla\n-RUN gone\n"
        "+RUN echo \\\n+    && sed -i s/a/b/ /etc/x\n USER x\n",
    )
    (fault,) = faults(one, points, tree=cron_tree(tmp_path))
    assert fault.where.endswith("mine/tree.patch:6")
    assert "/etc/x" in fault.message


def test_a_tree_patch_that_does_not_apply_is_named_with_its_line(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "cron").mkdir(parents=True)
    (tree / "cron/Dockerfile.j2").write_text("".join(f"{number}\n" for number in range(1, 30)))
    one = written(
        tmp_path,
        tree_DOT_patch="--- a/cron/Dockerfile.j2\n+++ b/cron/Dockerfile.j2\n"
        "@@ -1,3 +1,3 @@\n 1\n-2\n+two\n 3\n"
        "@@ -20,3 +20,3 @@\n 20\n-something else\n+x\n 22\n",
    )
    with patched(tree, [one]) as (_, found):
        assert [fault.where.rpartition("/")[2] for fault in found] == ["tree.patch:8"]
    (tree / "cron/Dockerfile.j2").unlink()
    with patched(tree, [one]) as (_, found):
        assert [fault.where.rpartition("/")[2] for fault in found] == ["tree.patch:1"]


def test_sed_cannot_leave_its_sandbox(points: CustomizationPoints, tmp_path: Path) -> None:
    target = tmp_path / "written"
    step = f"RUN sed -i 's/cron/x/w {target}' /usr/local/bin/start"
    one = overlay("a", f"{{% block cron_footer %}}\n{step}\n{{% endblock %}}")
    faults(one, points, tree=cron_tree(tmp_path))
    assert not target.exists()


def test_a_folder_without_overlays_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "template-override.j2").write_text("{% extends parent_template %}\n")
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ConfigError, match="no overlay") as caught:
            check_overlays("2026.1", [folder])
        assert "overlay.yml" in str(caught.value.hint)
