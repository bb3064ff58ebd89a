"""Composition of overlays: what is written is what Jinja makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import hypothesis
import jinja2
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from builder.overlays import kolla_build, settings
from builder.overlays.combine import combine
from builder.overlays.compose import compose
from builder.overlays.model import choose
from builder.overlays.template import Assignment, Block, OpaquePart, parse
from core.config.model import Architecture, Distro
from core.errors import ConfigError
from tests.support.overlays import overlay

PARENT = """\
{% block header %}parent header{% endblock %}
{% set packages = (['one'] + (x_packages_append | default([]))) %}
packages {{ packages | join(' ') }}
{% block footer %}parent footer{% endblock %}"""


def render(text: str, **values: object) -> str:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    parent = environment.from_string(PARENT)
    return environment.from_string(text).render(parent_template=parent, image_name="x", **values)


def words(text: str) -> list[str]:
    return text.split()


def test_a_later_overlay_sees_the_earlier_one() -> None:
    text = compose(
        [
            overlay(
                "a", "{% extends parent_template %}{% block footer %}A {{ super() }}{% endblock %}"
            ),
            overlay("b", "{% block footer %}B {{ super() }} B{% endblock %}"),
        ],
        {},
    )
    assert words(render(text))[-5:] == ["B", "A", "parent", "footer", "B"]
    assert "{# overlay a, template-override.j2:1 #}" in text


@hypothesis.settings(max_examples=30)
@given(st.lists(st.sampled_from(["{{ super() }} N", "N {{ super() }}", "N"]), max_size=5))
def test_any_chain_is_what_nesting_would_give(bodies: list[str]) -> None:
    overlays = []
    expected = ["parent", "footer"]
    for number, body in enumerate(bodies):
        replaces = [] if "super" in body else ["footer"]
        own = body.replace("N", f"word{number}")
        overlays.append(
            overlay(f"o{number}", f"{{% block footer %}}{own}{{% endblock %}}", replaces=replaces)
        )
        parts = own.split("{{ super() }}")
        expected = [*parts[0].split(), *expected, *parts[1].split()] if len(parts) > 1 else [own]
    text = compose(overlays, {})
    if overlays:
        assert words(render(text)) == ["parent", "header", "packages", "one", *expected]
        assert text == compose(overlays, {})


@hypothesis.settings(max_examples=30)
@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=3), max_size=4))
def test_lists_add_up_in_order(lists: list[list[str]]) -> None:
    overlays = [
        overlay(f"o{number}", f"{{% set x_packages_append = {names!r} %}}")
        for number, names in enumerate(lists)
    ]
    if overlays:
        rendered = words(render(compose(overlays, {})))
        everything = [name for names in lists for name in names]
        assert rendered == ["parent", "header", "packages", "one", *everything, "parent", "footer"]


def test_a_list_that_adds_to_itself_is_not_doubled() -> None:
    text = compose(
        [
            overlay("a", "{% set x_packages_append = ['a'] %}"),
            overlay("b", "{% set x_packages_append = (x_packages_append | default([])) + ['b'] %}"),
        ],
        {},
    )
    assert "packages one a b" in render(text)


def test_the_same_block_without_super_names_both_places() -> None:
    overlays = [
        overlay("a", "{% block footer %}A{% endblock %}"),
        overlay("b", "\n\n{% block footer %}B{% endblock %}"),
    ]
    with pytest.raises(ConfigError) as caught:
        compose(overlays, {})
    (fault,) = caught.value.faults
    assert fault.where == "/overlays/b/template-override.j2:3"
    assert "/overlays/a/template-override.j2:1" in fault.message
    assert fault.hint is not None and "replaces" in fault.hint


def test_the_same_override_variable_twice_is_a_contradiction() -> None:
    overlays = [
        overlay("a", "{% set x_packages_override = ['a'] %}"),
        overlay("b", "{% set x_packages_override = ['b'] %}"),
    ]
    with pytest.raises(ConfigError) as caught:
        compose(overlays, {})
    assert "x_packages_override" in caught.value.faults[0].message


def test_an_overlay_for_some_images_leaves_the_others_alone() -> None:
    text = compose(
        [
            overlay("a", "{% block footer %}A{% endblock %}"),
            overlay(
                "b",
                "{% set x_packages_append = ['b'] %}"
                "{% block footer %}B {{ super() }}{% endblock %}",
                applies_to={"images": ["cron"]},
            ),
        ],
        {},
    )
    environment = jinja2.Environment()
    parent = environment.from_string(PARENT)
    template = environment.from_string(text)
    assert words(template.render(parent_template=parent, image_name="cron"))[-2:] == ["B", "A"]
    other = words(template.render(parent_template=parent, image_name="base"))
    assert other[-1] == "A"
    assert "b" not in other and "B" not in other


def test_variables_come_first_and_are_literals() -> None:
    text = compose(
        [overlay("a", "{% block footer %}{{ url }}{{ n }}{% endblock %}")],
        {"url": 'a"%}', "n": [True, None]},
    )
    assert 'a"%}[True, None]' in render(text)


@pytest.mark.parametrize(
    ("source", "line", "word"),
    [
        ('{% import "macros.j2" as macros %}', 1, "import"),
        (
            "\n{% block a %}{% endblock %}{% block b %}{% endblock %}\n"
            "{% if x %}{% block c %}{% endblock %}{% endif %}",
            3,
            "inside",
        ),
        ("\n\n{% block a %}", 3, "Unexpected end"),
    ],
)
def test_what_can_not_be_composed_is_a_fault_with_its_line(
    source: str, line: int, word: str
) -> None:
    faults = parse(source, "f.j2").faults
    assert len(faults) == 1
    assert faults[0].where == f"f.j2:{line}"
    assert word in faults[0].message


def test_an_override_is_taken_apart() -> None:
    source = """{% extends parent_template %}
{% set a = ['x'] -%}

{% set long %}
text
{% endset %}
{% macro m() %}{% set inner = 1 %}{% endmacro %}
{% block b -%}
  one {{ super() }} two {{- super ( ) | upper -}} {% block nested %}{% endblock %}
{%- endblock %}
"""
    override = parse(source, "f.j2")
    assert override.faults == ()
    kinds = [type(part) for part in override.parts]
    assert kinds == [Assignment, Assignment, OpaquePart, Block]
    block = override.parts[3]
    assert isinstance(block, Block)
    assert block.line == 8
    assert [block.body[a:b] for a, b in block.supers] == ["super()", "super ( )"]
    first, captured = override.parts[0], override.parts[1]
    assert isinstance(first, Assignment) and (first.name, first.expression) == ("a", "['x']")
    assert isinstance(captured, Assignment) and captured.captured


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, template: str | None = None, **description: object) -> Path:
        path = tmp_path / name
        path.mkdir()
        document = {"description": name, "why": "a test", **description}
        (path / "overlay.yml").write_text(yaml.safe_dump(document))
        if template is not None:
            (path / "template-override.j2").write_text(template)
        return tmp_path

    return make


def test_overlays_come_after_what_they_need(folder: Callable[..., Path]) -> None:
    folder("a", needs=["b"])
    root = folder("b")
    assert [one.name for one in choose(["a", "b"], [root])] == ["b", "a"]


def test_all_faults_of_a_choice_at_once(folder: Callable[..., Path]) -> None:
    folder("a", needs=["b"])
    root = folder("wrong", aplies_to={})
    with pytest.raises(ConfigError) as caught:
        choose(["a", "wrong", "missing"], [root])
    text = str(caught.value.details)
    assert "overlay 'b'" in text
    assert "aplies_to" in text
    assert "no overlay 'missing'" in text


def test_variables_are_checked_against_the_overlays(folder: Callable[..., Path]) -> None:
    root = folder("a", variables={"mirror": {"description": "where from"}})
    chosen = choose(["a"], [root])
    with pytest.raises(ConfigError) as caught:
        combine(
            chosen,
            release="2026.1",
            distro=Distro.DEBIAN,
            architecture=Architecture.AARCH64,
            variables={"miror": "x"},
            ca_certificates={},
        )
    assert len(caught.value.faults) == 2


def test_only_what_applies_is_composed(folder: Callable[..., Path]) -> None:
    folder("a", "{% set a_append = [] %}", applies_to={"architectures": ["aarch64"]})
    root = folder("b", "{% set b_append = [] %}", inputs={"ca_certificates": ["base"]})
    chosen = choose(["a", "b"], [root])
    made = combine(
        chosen,
        release="2026.1",
        distro=Distro.DEBIAN,
        architecture=Architecture.X86_64,
        variables={},
        ca_certificates={"x.crt": b"PEM"},
    )
    assert "a_append" not in made.override
    assert '{% set ca_certificates = ["x.crt"] %}' in made.override
    assert made.files == {"base": {"overlays/b/x.crt": b"PEM"}}


def test_faults_of_a_description_have_remedies(
    folder: Callable[..., Path],
) -> None:
    root = folder("a")
    (root / "a" / "overlay.yml").write_text(
        "description: x\nwhy: y\ndesription: z\n"
        "applies_to: {releases: [2026.1],\n  distros: [debain]}\n"
    )
    with pytest.raises(ConfigError) as caught:
        choose(["a"], [root])
    assert {
        fault.where.partition("overlay.yml:")[2]: fault.hint for fault in caught.value.faults
    } == {
        "3: desription": "did you mean 'description'?",
        "4: applies_to.releases[0]": 'write it in quotes: "2026.1"',
        "5: applies_to.distros[0]": "did you mean 'debian'?",
    }


def test_settings_are_merged_and_contradictions_named(folder: Callable[..., Path]) -> None:
    folder("a")
    root = folder("b")
    (root / "a" / "kolla-build.conf").write_text(
        "[DEFAULT]\nmaintainer = A 100%\n[openstack-base]\ntype = local\nlocation = req.tar\n"
    )
    chosen = choose(["a", "b"], [root])
    merged = settings.merge(chosen)
    assert merged["DEFAULT"] == {"maintainer": "A 100%"}
    assert merged["openstack-base"]["location"] == str(root / "a" / "req.tar")
    (root / "b" / "kolla-build.conf").write_text("[DEFAULT]\nmaintainer = B\n")
    with pytest.raises(ConfigError) as caught:
        settings.merge(chosen)
    (fault,) = caught.value.faults
    assert "maintainer" in fault.message and "overlay a" in fault.message
    assert fault.where.endswith("b/kolla-build.conf:2")
    assert kolla_build.place_of(chosen[0].folder, "openstack-base").endswith("a/kolla-build.conf:3")
    assert kolla_build.place_of(chosen[0].folder, "openstack-base", "location").endswith(":5")
    (root / "b" / "kolla-build.conf").write_text("no section\n")
    with pytest.raises(ConfigError) as caught:
        settings.merge(chosen)
    assert caught.value.faults[0].where.endswith("kolla-build.conf:1")


def test_patches_of_several_overlays_are_one_series(folder: Callable[..., Path]) -> None:
    folder("a")
    root = folder("b")
    for name in ("a", "b"):
        patches = root / name / "patches" / "nova-base"
        patches.mkdir(parents=True)
        (patches / "series").write_text("# a comment\nfix.patch\n")
        (patches / "fix.patch").write_text(name)
    chosen = choose(["a", "b"], [root])
    assert settings.series(chosen) == {
        "nova-base": {
            "series": b"a-fix.patch\nb-fix.patch\n",
            "a-fix.patch": b"a",
            "b-fix.patch": b"b",
        }
    }
    (root / "b" / "patches" / "nova-base" / "series").write_text("\nfxi.patch\n")
    with pytest.raises(ConfigError) as caught:
        settings.series(chosen)
    assert caught.value.faults[0].where.endswith("series:2")


APPEND = "x_packages_append"


@hypothesis.settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["plain", "if", "else", "nested"]), st.sampled_from("abcd")),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["x86_64", "aarch64"]),
)
def test_lists_add_up_under_conditions(kinds: list[tuple[str, str]], base_arch: str) -> None:
    texts = {
        "plain": "{{% set x_packages_append = ['{0}'] %}}",
        "if": "{{% if base_arch == 'aarch64' %}}"
        "{{% set x_packages_append = ['{0}'] %}}{{% endif %}}",
        "else": "{{% if base_arch == 'x86_64' %}}{{% set x_packages_append = ['{0}-x'] %}}"
        "{{% else %}}\n{{% set x_packages_append = ['{0}'] %}}{{% endif %}}",
        "nested": "{{% if image_name %}}{{% if base_arch == 'aarch64' %}}"
        "{{% set x_packages_append = ['{0}'] %}}{{% endif %}}{{% endif %}}",
    }
    overlays = [
        overlay(f"o{number}", texts[kind].format(name)) for number, (kind, name) in enumerate(kinds)
    ]
    expected = []
    for kind, name in kinds:
        if kind == "plain" or base_arch == "aarch64":
            expected.append(name)
        elif kind == "else":
            expected.append(f"{name}-x")
    rendered = words(render(compose(overlays, {}), base_arch=base_arch))
    assert rendered == ["parent", "header", "packages", "one", *expected, "parent", "footer"]


def test_a_condition_on_another_variable_is_a_contradiction() -> None:
    first = overlay("a", "{% set x_packages_override = ['a'] %}")
    second = overlay(
        "b",
        "{% if base_arch == 'x86_64' %}{% set x_packages_override = ['b'] %}"
        "{% else %}{% set x_packages_override = ['c'] %}{% endif %}",
    )
    assert compose([second], {})
    for order in ([first, second], [second, first]):
        with pytest.raises(ConfigError) as caught:
            compose(order, {})
        assert "x_packages_override" in caught.value.faults[0].message


@pytest.mark.parametrize(
    "text",
    [
        "{% for p in ['a'] %}{% set x_packages_append = [p] %}{% endfor %}",
        "{% with y = 1 %}{% set x_packages_append = ['a'] %}{% endwith %}",
        "{% if y %}{% for p in ['a'] %}{% set x_packages_append = [p] %}{% endfor %}{% endif %}",
        "{% if y %}{% set x_packages_append, z = ['a'], 1 %}{% endif %}",
        "{% set x_packages_append, z = ['a'], 1 %}",
    ],
)
def test_a_list_that_nothing_outside_sees_is_a_fault(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose([overlay("a", text)], {})
    assert APPEND in caught.value.faults[0].message
