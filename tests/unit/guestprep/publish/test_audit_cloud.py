"""What the audit says of volumes, screens and compute hosts, with the remedy of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guestprep.publish import compute_hosts
from guestprep.publish.audit import bootable_volumes, examine, of_image
from tests.support.api_stand_in import standing_in
from tests.support.glance_images import image, without
from tests.support.nova_hosts import MIXED, cloud, hypervisor


def volume(number: int, name: str, bootable: bool = True, **properties: str) -> dict[str, Any]:
    return {
        "id": f"v{number}",
        "name": name,
        "bootable": str(bootable).lower(),
        "volume_image_metadata": properties,
    }


def test_bootable_volumes_are_judged(tmp_path: Path) -> None:
    volumes = [
        volume(1, "plain"),
        volume(2, "data", bootable=False),
        volume(3, "good", architecture="aarch64", hw_video_model="virtio"),
        volume(4, "web arm64", architecture="x86_64"),
        volume(5, "dark", architecture="aarch64", hw_video_model="vga"),
    ]
    documents = {"/volumes/detail": {"volumes": volumes}}
    with standing_in(documents, tmp_path, "block_storage", "volume") as connection:
        seen = bootable_volumes(connection)
    assert seen is not None and len(seen) == 4
    found = [finding for one in seen for finding in examine(one)]
    assert [finding.image_id for finding in found] == ["v1", "v4", "v5"]
    remedy = "openstack volume set --image-property architecture=aarch64 v4"
    assert (found[1].remedy, found[1].kind) == (remedy, "volume")


def test_without_cinder_no_volumes_are_seen(tmp_path: Path) -> None:
    with standing_in({}, tmp_path) as connection:
        assert bootable_volumes(connection) is None


@pytest.mark.parametrize(
    ("model", "words"), [(None, "older"), ("vga", "vga"), ("virtio", None), ("bochs", None)]
)
def test_dark_images_are_told(model: str | None, words: str | None) -> None:
    more = {"hw_video_model": model} if model else {}
    found = list(examine(of_image(without(image(), "hw_video_model", **more))))
    assert len(found) == (words is not None)
    for finding in found:
        assert words is not None and words in finding.reason
        assert "hw_video_model=virtio" in finding.remedy


def test_an_x86_image_needs_no_display_of_ours() -> None:
    made = without(image(), "hw_video_model", architecture="x86_64")
    assert list(examine(of_image(made))) == []


def test_snapshots_are_called_so() -> None:
    made = without(image(), "architecture", image_type="snapshot", base_image_ref="x")
    (finding,) = examine(of_image(made))
    assert finding.kind == "snapshot"


def findings(tmp_path: Path, documents: dict[str, object], unlabelled: int = 0) -> str:
    with standing_in(documents, tmp_path, "compute", "placement") as connection:
        found = compute_hosts.examine(connection, unlabelled=unlabelled)
    return "\n".join(f"{one.subject} {one.reason} {one.remedy} {one.note}" for one in found)


def test_a_mixed_cloud_is_told_what_it_needs(tmp_path: Path) -> None:
    text = findings(tmp_path, cloud(MIXED, [], "trait:HW_ARCH_RISCV64"), unlabelled=2)
    assert "image_metadata_prefilter = true" in text
    assert "num_pcie_ports = 16" in text
    assert "aggregate add host arm-cpu-2 host2" in text
    assert "flavor unset --property trait:HW_ARCH_RISCV64 arm" in text


def test_what_is_right_is_not_told(tmp_path: Path) -> None:
    apart = [["host1", "host3"], ["host2"]]
    text = findings(tmp_path, cloud(MIXED, apart, "trait:HW_ARCH_AARCH64"))
    assert "num_pcie_ports" in text
    assert text.count("\n") == 0
    same = [hypervisor(1, "x86_64", "EPYC"), hypervisor(2, "x86_64", "Xeon")]
    assert findings(tmp_path, cloud(same, [], "hw:mem_page_size"), unlabelled=3) == ""


def test_who_may_not_see_hosts_is_told_nothing(tmp_path: Path) -> None:
    assert findings(tmp_path, {}) == ""
