"""What a whole run would do, for a person and as data."""

from __future__ import annotations

from builder.plan import BuildPlan
from kollarm.run_images import GuestPlan, ImagesPlan
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
