"""Which images are flagged, by what they say, are called and are."""

from __future__ import annotations

import pytest

from guestprep.publish.audit import AuditReport, by_name, examine, of_image
from tests.support.glance_images import image, without


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ubuntu-22.04-server-cloudimg-arm64.img", "aarch64"),
        ("Fedora-Cloud-Base-40.aarch64", "aarch64"),
        ("debian-12-generic-amd64", "x86_64"),
        ("rhel_9_x86_64", "x86_64"),
        ("cirros-0.6.2-x86-64", "x86_64"),
        ("jammy", None),
        ("charm64", None),
        ("arm64 and amd64", None),
    ],
)
def test_a_name_tells_an_architecture(name: str, expected: str | None) -> None:
    assert by_name(name) == expected


@pytest.mark.parametrize(
    ("said", "name", "inside", "actual"),
    [
        ("", "ubuntu-arm64", None, "aarch64"),
        ("", "jammy", None, None),
        ("", "jammy", "x86_64", "x86_64"),
        ("x86_64", "ubuntu-arm64", None, "aarch64"),
        ("aarch64", "ubuntu-arm64", "x86_64", "x86_64"),
        ("arm64", "jammy", None, "aarch64"),
    ],
)
def test_what_could_go_to_the_wrong_host_is_found(
    said: str, name: str, inside: str | None, actual: str | None
) -> None:
    there = without(image(name=name), "architecture", **({"architecture": said} if said else {}))
    finding = next(examine(of_image(there), inside))
    assert finding.actual == actual
    wanted = actual or "ARCHITECTURE"
    assert finding.remedy == f"openstack image set --property architecture={wanted} id1"


@pytest.mark.parametrize(
    ("name", "inside"), [("jammy", None), ("x-arm64", None), ("x-amd64", "aarch64")]
)
def test_what_is_right_is_not_mentioned(name: str, inside: str | None) -> None:
    assert list(examine(of_image(image(name=name)), inside)) == []


def test_a_report_is_text_and_json() -> None:
    (finding,) = examine(of_image(without(image(), "architecture")))
    report = AuditReport(3, (finding,))
    assert not report.passed
    assert "openstack image set" in report.to_text()
    assert report.to_dict()["passed"] is False
    assert "3 images" in AuditReport(3, ()).to_text()
