"""What a whole run would do, for a person and as data."""

from __future__ import annotations

import itertools

import pytest

from builder.plan import BuildPlan
from builder.record import BuildRecord
from core.config.model import Config
from core.errors import ConfigError
from kollarm import run_images
from kollarm.run_images import GuestPlan, ImagesPlan, ImagesRecord, PartialRun, RunPart
from tests.support.preparation import install, plan


def test_a_plan_tells_what_happens_to_each_guest() -> None:
    guest = GuestPlan("jammy", plan(install("linux-modules-extra", "5.15")), "both", "mycloud")
    whole = ImagesPlan(BuildPlan("2026.1", "22.2.0", "r:5000", (), (), (), ()), (guest,))
    lines = whole.to_text().splitlines()
    assert any(line.startswith("jammy: ") for line in lines)
    assert any("linux-modules-extra" in line for line in lines)
    assert any("boot" in line and "source" in line for line in lines)
    assert "mycloud" in lines[-1]
    data = guest.to_dict()
    assert (data["name"], data["boot"], data["cloud"]) == ("jammy", "both", "mycloud")


@pytest.mark.parametrize("parts", list(itertools.product([True, False], repeat=3)))
def test_what_is_left_out_is_told(parts: tuple[bool, ...]) -> None:
    chosen = tuple(part for part, wanted in zip(RunPart, parts, strict=True) if wanted)
    build = BuildRecord("2026.1", "r:5000", (), (), 0.0)
    record = ImagesRecord(build, (), 1.0, chosen)
    assert record.to_text().count("left out: ") == 3 - len(chosen)
    assert ("Container images" in record.to_text()) is (RunPart.BUILD in chosen)
    assert record.to_dict()["parts"] == list(chosen)
    left_out = ImagesPlan(None, (), chosen).to_text().splitlines()
    assert len(left_out) == 3 - len(chosen)


def test_a_plan_of_publishing_alone_prepares_nothing() -> None:
    text = GuestPlan("jammy", None, "both", "mycloud").to_text()
    assert "boot" not in text and "mycloud" in text
    text = GuestPlan("jammy", plan(install("x", "1")), "both", None).to_text()
    assert "boot" in text and "publish" not in text


@pytest.mark.parametrize("parts", [["guests"], ["publish"], ["guests", "publish"]])
def test_parts_for_guests_need_a_guest(parts: list[str]) -> None:
    chosen = [RunPart(part) for part in parts]
    with pytest.raises(ConfigError, match="no guests"):
        run_images.plan(Config(), chosen)
    with pytest.raises(ConfigError, match="no guests"):
        run_images.run(Config(), PartialRun(Config(), chosen))
