"""Publishing to a real Glance behind a real Keystone."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError, KollarmError
from guestprep.publish import (
    PublishSpec,
    Replaced,
    audit,
    connect,
    image_file,
    plan,
    publish,
)
from guestprep.publish.cloud import Glance
from guestprep.publish.model import OWNER_MARK, RUN_MARK, PublishAction
from kollarm.services.glance import EmbeddedGlance
from tests.support import guest_disks
from tests.support.commands import kollarm
from tests.support.publishing import all_of
from tests.support.upload import upload

pytestmark = pytest.mark.integration


def test_an_image_arrives_with_its_properties(
    connection: Any, images: dict[str, Path], spec: PublishSpec
) -> None:
    record = publish(connection, images["first"], spec)
    assert (record.action, record.status, record.visibility) == (
        PublishAction.UPLOAD, "active", "public",
    )  # fmt: skip
    # As anyone else sees it, by the SDK and by name.
    seen = connection.image.find_image(spec.name, ignore_missing=False)
    assert seen.id == record.image_id
    assert seen.hash_value == image_file.digests(images["first"], ["sha512"])["sha512"]
    assert not seen.is_hidden and seen.min_disk == 1
    wanted = {
        "hw_scsi_model": "virtio-scsi",
        "hw_disk_bus": "scsi",
        "hw_firmware_type": "uefi",
        "architecture": "aarch64",
        "hw_machine_type": "virt",
        "hw_video_model": "virtio",
        "hw_input_bus": "usb",
        "hw_pointer_model": "usbtablet",
        "os_distro": "ubuntu",
        "os_version": "18.04",
        "os_admin_user": "ubuntu",
    }
    raw = connection.image.get(f"/images/{seen.id}").json()
    assert {name: raw.get(name) for name in wanted} == wanted
    assert RUN_MARK not in raw
    assert json.loads(json.dumps(record.to_dict()))["sent"] == images["first"].stat().st_size


def test_a_second_run_sends_nothing(
    connection: Any, images: dict[str, Path], spec: PublishSpec
) -> None:
    first = publish(connection, images["first"], spec)
    second = publish(connection, images["first"], spec)
    assert (second.action, second.sent, second.image_id) == (PublishAction.KEEP, 0, first.image_id)


def test_changed_properties_are_changed_in_place(
    connection: Any, api: Glance, images: dict[str, Path], spec: PublishSpec
) -> None:
    first = publish(connection, images["first"], spec)
    more = replace(
        spec, properties={"hw_qemu_guest_agent": "yes"}, visibility="private", min_disk=9
    )
    second = publish(connection, images["first"], more)
    assert (second.action, second.sent, second.image_id) == (
        PublishAction.UPDATE,
        0,
        first.image_id,
    )
    there = api.get(first.image_id)
    assert there.properties["hw_qemu_guest_agent"] == "yes"
    assert (there.visibility, there.min_disk) == ("private", 9)
    third = publish(connection, images["first"], spec)
    assert third.action is PublishAction.UPDATE
    assert "hw_qemu_guest_agent" not in api.get(first.image_id).properties


@pytest.mark.parametrize("replaced", list(Replaced))
def test_a_new_image_takes_the_name(
    connection: Any, api: Glance, images: dict[str, Path], spec: PublishSpec, replaced: Replaced
) -> None:
    old = publish(connection, images["first"], spec)
    new = publish(connection, images["second"], replace(spec, replaced=replaced))
    assert (new.action, new.retired) == (PublishAction.REPLACE, (old.image_id,))
    assert connection.image.find_image(spec.name).id == new.image_id
    if replaced is Replaced.DELETE:
        assert old.image_id not in [image.id for image in all_of(api, spec)]
        return
    kept = api.get(old.image_id)
    assert kept.status == "active"
    assert kept.hidden == (replaced is Replaced.HIDE)
    assert (kept.name != spec.name) == (replaced is Replaced.RENAME)


def test_going_back_sends_nothing(
    connection: Any, images: dict[str, Path], spec: PublishSpec
) -> None:
    old = publish(connection, images["first"], spec)
    publish(connection, images["second"], spec)
    back = publish(connection, images["first"], spec)
    assert (back.action, back.image_id, back.sent) == (PublishAction.FINISH, old.image_id, 0)
    assert connection.image.find_image(spec.name).id == old.image_id


def test_a_protected_image_is_hidden_where_it_cannot_be_deleted(
    connection: Any, api: Glance, images: dict[str, Path], spec: PublishSpec
) -> None:
    old = publish(connection, images["first"], spec)
    connection.image.update_image(old.image_id, is_protected=True)
    publish(connection, images["second"], replace(spec, replaced=Replaced.DELETE))
    assert api.get(old.image_id).hidden
    connection.image.update_image(old.image_id, is_protected=False)


def test_somebody_elses_image_is_refused_then_adopted(
    connection: Any, api: Glance, images: dict[str, Path], spec: PublishSpec
) -> None:
    other = connection.image.create_image(
        spec.name, filename=str(images["first"]), disk_format="qcow2", container_format="bare"
    )
    with pytest.raises(KollarmError, match="kollarm") as caught:
        publish(connection, images["first"], spec)
    assert "--adopt" in (caught.value.hint or "")
    assert api.get(other.id).properties.get(OWNER_MARK) is None
    record = publish(connection, images["first"], replace(spec, adopt=True))
    assert (record.action, record.image_id, record.sent) == (PublishAction.ADOPT, other.id, 0)
    assert api.get(other.id).properties["architecture"] == "aarch64"


def test_two_images_of_the_name_are_refused(
    connection: Any, images: dict[str, Path], spec: PublishSpec
) -> None:
    publish(connection, images["first"], spec)
    connection.image.create_image(
        spec.name,
        filename=str(images["second"]),
        disk_format="qcow2",
        container_format="bare",
        allow_duplicates=True,
    )
    for adopt in (False, True):
        with pytest.raises(KollarmError, match=spec.name):
            publish(connection, images["first"], replace(spec, adopt=adopt))


def test_a_plan_changes_nothing(
    connection: Any, api: Glance, images: dict[str, Path], spec: PublishSpec
) -> None:
    made = plan(connection, images["first"], spec)
    assert made.action is PublishAction.UPLOAD
    assert all_of(api, spec) == []


def test_an_audit_finds_what_may_go_to_the_wrong_host(
    connection: Any, api: Glance, images: dict[str, Path], spec: PublishSpec
) -> None:
    right = publish(connection, images["first"], spec)
    made = {
        name: connection.image.create_image(
            f"{name}-{uuid.uuid4().hex[:8]}",
            filename=str(images["first"]),
            disk_format="qcow2",
            container_format="bare",
            **properties,
        ).id
        for name, properties in {
            "bare-amd64": {},
            "wrong-arm64": {"architecture": "x86_64"},
            "fine": {"architecture": "x86_64"},
        }.items()
    }
    report = audit(connection)
    found = {finding.image_id: finding for finding in report.findings}
    assert found[made["bare-amd64"]].actual == "x86_64"
    assert found[made["wrong-arm64"]].actual == "aarch64"
    assert made["fine"] not in found
    assert right.image_id not in found
    # Looking inside the disks as well finds what names don't tell.
    looked_at = []

    def inspect(path: Path) -> str:
        looked_at.append(image_file.read_facts(path).size)
        return "aarch64"

    found = {f.image_id: f for f in audit(connection, inspect=inspect).findings}
    assert found[made["fine"]].actual == "aarch64"
    assert len(looked_at) == report.images


def test_memory_does_not_grow_with_the_image(
    cloud: EmbeddedGlance, api: Glance, images: dict[str, Path]
) -> None:
    small, large = (upload(cloud, api, images[name]) for name in ("first", "large"))
    assert max(small.memory, large.memory) <= 80
    assert large.memory - small.memory < 16


def test_any_file_is_published_by_what_is_on_it(loopback: dict[str, str], tmp_path: Path) -> None:
    """The command with a file and no configuration; a look inside tells what it is."""
    image = guest_disks.make(tmp_path / "found.qcow2", tmp_path / "work")
    options = ("--name", "from a file", "--property", "hw_input_bus=", "--json")
    done = kollarm("guest", "publish", image, *options, cwd=tmp_path, **loopback)
    assert done.status == 0, done.stderr
    (record,) = done.document
    assert (record["action"], record["status"]) == ("upload", "active")
    said = record["properties"]
    assert (said["architecture"], said["os_distro"]) == ("aarch64", "ubuntu")
    assert said["hw_firmware_type"] == "uefi" and "hw_input_bus" not in said
    assert not (tmp_path / ".kollarm").exists()


@pytest.mark.full
def test_an_audit_looks_at_what_is_on_the_disks(
    glance: EmbeddedGlance, loopback: dict[str, str], tmp_path: Path
) -> None:
    """Called an image for x86_64, it is found out by its disk alone."""
    image = guest_disks.make(tmp_path / "found.qcow2", tmp_path / "work")
    connection = connect(glance.cloud, clouds_yaml=glance.clouds_yaml)
    spec = PublishSpec("no telling", architecture="x86_64")
    made = publish(connection, image, spec)
    report = kollarm("guest", "audit", "--disks", "--json", cwd=tmp_path, **loopback)
    assert report.status == 1
    reasons = {finding["image_id"]: finding["reason"] for finding in report.document["findings"]}
    assert reasons[made.image_id] == "architecture is x86_64, its disk is aarch64"
    Glance(connection).delete(made.image_id)


def test_without_keystone_everyone_may_publish(
    glance: EmbeddedGlance, images: dict[str, Path], spec: PublishSpec
) -> None:
    connection = connect(glance.cloud, clouds_yaml=glance.clouds_yaml)
    assert publish(connection, images["first"], spec).action is PublishAction.UPLOAD
    assert publish(connection, images["first"], spec).action is PublishAction.KEEP


def test_misspelt_properties_are_found_before_anything_is_made(
    connection: Any, api: Glance, images: dict[str, Path], spec: PublishSpec
) -> None:
    properties = {
        "hw_vido_model": "qxl",
        "hw_video_model": "virtoi",
        "hw_video_ram": "-1",
        "kernel_id": "vmlinuz",
        "min_disk": "5",
        "mine": "1",
    }
    wrong = replace(spec, properties=properties)
    with pytest.raises(ConfigError) as caught:
        publish(connection, images["first"], wrong)
    text = caught.value.details or ""
    assert "did you mean 'hw_video_model'?" in text
    assert "properties.hw_video_model: 'virtoi'" in text
    assert "properties.hw_video_ram: -1 is less than 0" in text
    assert "properties.kernel_id: 'vmlinuz' has the wrong form" in text
    assert "properties.min_disk: an attribute of images" in text
    assert "mine" not in text
    assert all_of(api, spec) == []
    unchecked = replace(spec, properties={"hw_vido_model": "qxl"}, check_properties=False)
    assert publish(connection, images["first"], unchecked).properties["hw_vido_model"] == "qxl"
