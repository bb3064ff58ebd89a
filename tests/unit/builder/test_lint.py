"""Overlays held against templates: every fault with its line and a guess."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder import templates
from builder.lint import check
from builder.overlays.model import Overlay
from builder.templates import Offer
from kollarm.errors import Fault
from tests.unit.builder.test_overlays import overlay

NAMES = {"base_arch", "image_name"}


@pytest.fixture
def offer(tmp_path: Path) -> Offer:
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
    return templates.read(tmp_path)


def faults(one: Overlay, offer: Offer, *others: Overlay) -> list[Fault]:
    return check(one, [one, *others], offer, NAMES, "2026.1")


def test_what_templates_offer(offer: Offer) -> None:
    assert set(offer.images) == {"cron", "nova-compute"}
    assert offer.blocks["footer"] == {"cron", "nova-compute"}
    assert offer.lists["nova_compute_packages_append"] == "nova-compute"
    assert "macros" in offer.images["cron"]


def test_nothing_is_wrong(offer: Offer) -> None:
    text = (
        "{% set cron_packages_append = ['x'] %}{% set mine = 1 %}"
        "{% block cron_footer %}{{ super() }}{{ macros.x() }}{{ mine }}{{ base_arch }}{{ site }}"
        "{{ never | default('') }}{% if other is defined %}{% endif %}"
        "{% for n in range(3) %}{{ loop.index }}{{ n }}{% endfor %}{% endblock %}"
    )
    one = overlay("a", text, variables={"site": {"description": "x"}})
    assert faults(one, offer) == []


@pytest.mark.parametrize(
    ("text", "line", "word", "guess"),
    [
        ("\n{% block cron_foter %}{% endblock %}", 2, "cron_foter", "cron_footer"),
        ("{% set cron_package_append = [] %}", 1, "cron_package_append", "cron_packages_append"),
        ("{% block cron_footer %}\n{{ base_arc }}{% endblock %}", 2, "base_arc", "base_arch"),
    ],
)
def test_a_misspelling_is_met_with_a_guess(
    offer: Offer, text: str, line: int, word: str, guess: str
) -> None:
    (fault,) = faults(overlay("a", text), offer)
    assert fault.where == f"/overlays/a/template-override.j2:{line}"
    assert repr(word) in fault.message
    assert fault.hint is not None and guess in fault.hint


def test_unknown_images_and_blocks_outside_of_them(offer: Offer) -> None:
    text = "{% block cron_footer %}{% endblock %}"
    one = overlay("a", text, applies_to={"images": ["nova-compute", "crn"]})
    messages = [fault.message for fault in faults(one, offer)]
    assert messages == ["no image 'crn'", "block 'cron_footer' is in none of its images"]


def test_an_overlay_that_applies_to_nothing(offer: Offer) -> None:
    one = overlay("a", None, applies_to={"releases": ["rocky"]})
    assert "applies to nothing in 2026.1" in faults(one, offer)[0].message


def test_a_variable_of_another_overlay_is_known_with_it(offer: Offer) -> None:
    one = overlay("a", "{% block cron_footer %}{{ theirs }}{% endblock %}")
    other = overlay("b", "{% set theirs = 1 %}")
    assert faults(one, offer, other) == []
    assert len(faults(one, offer)) == 1
    broken = overlay("c", "{% block")
    assert len(faults(broken, offer, one)) == 1
