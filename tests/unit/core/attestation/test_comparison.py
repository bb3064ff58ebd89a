"""What changed between two bills of materials."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.attestation.comparison import ImageComparison, TagComparison, changes
from core.attestation.spdx import BomPackage

packages = st.builds(
    BomPackage, st.sampled_from(["deb", "pypi"]), st.sampled_from("abc"), st.sampled_from("123")
)


def deb(name: str, version: str, architecture: str = "arm64") -> BomPackage:
    return BomPackage("deb", name, version, architecture)


def test_added_removed_and_changed_packages() -> None:
    old = [deb("bash", "5.1"), deb("gone", "1"), deb("kept", "1")]
    new = [deb("bash", "5.2"), deb("kept", "1"), BomPackage("pypi", "nova", "33")]
    image = ImageComparison("kolla/x", "arm64", changes(old, new))
    assert [(one.name, one.state) for one in image.changes] == [
        ("bash", "changed"),
        ("gone", "removed"),
        ("nova", "added"),
    ]
    lines = image.to_text().splitlines()
    assert lines[1:] == ["  ~ bash 5.1 → 5.2", "  - gone 1", "  + nova (Python) 33"]
    document = image.to_dict()
    assert document["changed"] == [
        {"kind": "deb", "name": "bash", "old": ("5.1",), "new": ("5.2",)}
    ]


def test_several_versions_of_a_package() -> None:
    old = [deb("kernel", "1"), deb("kernel", "2"), deb("libc6", "1", "amd64")]
    [change] = changes(old, [*old, deb("libc6", "1", "i386"), deb("kernel", "3")])
    assert (change.old, change.new) == (("1", "2"), ("1", "2", "3"))


def test_what_cannot_be_compared_is_counted() -> None:
    failed = ImageComparison("kolla/x", "arm64", fault="missing\nkolla/y: the same packages")
    compared = TagComparison("1", "2", (failed, ImageComparison("kolla/y", "arm64")))
    assert compared.faults == 1
    assert len(compared.to_text().splitlines()) == 2


@given(st.lists(packages), st.lists(packages))
def test_both_directions_agree(old: list[BomPackage], new: list[BomPackage]) -> None:
    there, back = changes(old, new), changes(new, old)
    assert [(one.name, one.old, one.new) for one in there] == [
        (one.name, one.new, one.old) for one in back
    ]
    assert not changes(old, [*old, *old])
    assert {one.state for one in changes([], new)} <= {"added"}
