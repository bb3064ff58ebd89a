"""What publishing amounts to: every state a cloud can be in, without a cloud."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import KollarmError
from guestprep.publish import properties
from guestprep.publish.cloud import Glance
from guestprep.publish.execute import execute
from guestprep.publish.model import (
    MANAGED,
    OWNER_MARK,
    RUN_MARK,
    SUCCESSOR,
    CloudFacts,
    PropertyChange,
    PublishAction,
    PublishPlan,
    RemoteImage,
    Replaced,
)
from guestprep.publish.plan import changes, decide
from guestprep.publish.refusal import Refusal
from tests.support.glance_images import LOCAL, SPEC, image, without


def plan(*images: RemoteImage, **facts: Any) -> tuple[PublishAction, str | None, list[str]]:
    """Action, image and what is to be retired, for the usual spec."""
    made = decide(SPEC, LOCAL, CloudFacts(images, **facts))
    return made.action, made.image_id, list(made.retire)


def test_an_empty_cloud_gets_an_upload() -> None:
    made = decide(SPEC, LOCAL, CloudFacts(()))
    assert made.action is PublishAction.UPLOAD
    assert made.attributes["min_disk"] == 2
    assert made.properties["architecture"] == "aarch64"
    assert made.properties[OWNER_MARK] == "jammy"


def test_an_image_for_x86_leaves_its_machine_to_the_cloud() -> None:
    arm = decide(SPEC, LOCAL, CloudFacts(())).properties
    x86 = decide(replace(SPEC, architecture="x86_64"), LOCAL, CloudFacts(())).properties
    assert x86["architecture"] == "x86_64" and x86["hw_video_model"] == "virtio"
    assert set(arm) - set(x86) == {
        "hw_firmware_type", "hw_machine_type", "hw_disk_bus", "hw_scsi_model", "hw_input_bus",
    }  # fmt: skip


def test_another_machines_half_upload_is_reported_and_kept() -> None:
    there = image(status="saving", size=None, hash_value=None, checksum=None, hidden=True)
    made = decide(SPEC, LOCAL, CloudFacts((there,)))
    assert (made.action, made.remove, made.strays) == (PublishAction.UPLOAD, (), ("id1",))
    assert "openstack image delete id1" in made.to_text()
    known = decide(SPEC, LOCAL, CloudFacts((there,), abandoned=frozenset({"id1"})))
    assert (known.remove, known.strays) == (("id1",), ())


def test_the_same_content_and_properties_are_kept() -> None:
    assert plan(image()) == (PublishAction.KEEP, "id1", [])


def test_changed_properties_are_updated_without_an_upload() -> None:
    there = without(image(min_disk=1), "hw_disk_bus", architecture="x86_64")
    made = decide(SPEC, LOCAL, CloudFacts((there,)))
    assert made.action is PublishAction.UPDATE
    assert set(made.changes) == {
        PropertyChange("min_disk", 1, 2),
        PropertyChange("hw_disk_bus", None, "scsi"),
        PropertyChange("architecture", "x86_64", "aarch64"),
    }


def test_an_unwanted_property_goes_and_others_stay() -> None:
    earlier = replace(SPEC, properties={"hw_qemu_guest_agent": "yes"})
    there = without(image(spec=earlier), somebodys="own")
    made = decide(SPEC, LOCAL, CloudFacts((there,)))
    assert PropertyChange("hw_qemu_guest_agent", "yes", None) in made.changes
    assert "somebodys" not in [change.name for change in made.changes]


def test_an_empty_value_leaves_a_property_out() -> None:
    spec = replace(SPEC, properties={"hw_pointer_model": "", "architecture": "aarch64"})
    assert "hw_pointer_model" not in properties.wanted(spec)


def test_other_content_is_uploaded_and_the_old_image_retired() -> None:
    assert plan(image(hash_value="bb")) == (PublishAction.REPLACE, None, ["id1"])
    assert plan(image(size=999)) == (PublishAction.REPLACE, None, ["id1"])
    assert plan(image(disk_format="raw")) == (PublishAction.REPLACE, None, ["id1"])


def test_content_is_compared_with_whatever_digest_the_cloud_has() -> None:
    sha256 = image(hash_algo="sha256", hash_value="dd")
    old_glance = image(hash_algo=None, hash_value=None)
    for there, algorithm, value in ((sha256, "sha256", "dd"), (old_glance, "md5", "cc")):
        local = replace(LOCAL, digests={algorithm: value})
        assert decide(SPEC, local, CloudFacts((there,))).action is PublishAction.KEEP
        local = replace(LOCAL, digests={algorithm: "other"})
        assert decide(SPEC, local, CloudFacts((there,))).action is PublishAction.REPLACE


@pytest.mark.parametrize("replaced", list(Replaced))
def test_where_nothing_can_change_the_old_one_must_go(replaced: Replaced) -> None:
    there = replace(image(), hash_value="other")
    facts = CloudFacts((there,), unchangeable=True)
    made = decide(replace(SPEC, replaced=replaced), LOCAL, facts)
    refused = replaced is not Replaced.DELETE
    assert made.refusal is (Refusal.UNCHANGEABLE if refused else None)
    assert made.unchangeable or refused
    assert decide(SPEC, LOCAL, CloudFacts((image(),), unchangeable=True)).refusal is None


@pytest.mark.parametrize("replaced", list(Replaced))
def test_where_nothing_can_change_properties_replace(replaced: Replaced) -> None:
    facts = CloudFacts((image(min_ram=1),), unchangeable=True)
    made = decide(replace(SPEC, replaced=replaced), LOCAL, facts)
    if replaced is Replaced.DELETE:
        assert (made.action, made.retire) == (PublishAction.REPLACE, ("id1",))
    else:
        assert made.refusal is Refusal.UNCHANGEABLE and "delete" in hint(made)
    # A property that goes is nothing that Glance looks at.
    facts = CloudFacts((without(image(), kollarm_run="x"),), unchangeable=True)
    assert decide(SPEC, LOCAL, facts).action is PublishAction.UPDATE


def hint(refused: PublishPlan) -> str:
    """What is advised where a plan is a refusal; no call of Glance's is made for it."""
    with pytest.raises(KollarmError) as caught:
        execute(cast(Glance, None), refused)
    return caught.value.hint or ""


def test_an_image_that_kollarm_did_not_make_is_refused() -> None:
    foreign = without(image(), OWNER_MARK)
    made = decide(SPEC, LOCAL, CloudFacts((foreign,)))
    assert (made.action, made.refusal) == (PublishAction.REFUSE, Refusal.FOREIGN)
    assert "id1" in made.reasons[0]
    assert "--adopt" in hint(made)


def test_another_projects_image_is_refused_despite_the_mark() -> None:
    made = decide(SPEC, LOCAL, CloudFacts((image(),), project="mine"))
    assert (made.action, made.refusal) == (PublishAction.REFUSE, Refusal.OTHER_PROJECT)
    # Taking it over would need that project's rights.
    assert "--adopt" not in hint(made) and "another name" in hint(made)


def test_it_is_adopted_when_that_is_allowed() -> None:
    foreign = without(image(), OWNER_MARK, MANAGED)
    spec = replace(SPEC, adopt=True)
    made = decide(spec, LOCAL, CloudFacts((foreign,)))
    assert made.action is PublishAction.ADOPT
    assert PropertyChange(OWNER_MARK, None, "jammy") in made.changes
    other = replace(foreign, hash_value="bb")
    made = decide(spec, LOCAL, CloudFacts((other,)))
    assert (made.action, made.retire) == (PublishAction.REPLACE, ("id1",))


def test_two_images_of_the_name_are_refused_even_when_adopting() -> None:
    foreign = without(image(2), OWNER_MARK)
    made = decide(replace(SPEC, adopt=True), LOCAL, CloudFacts((image(), foreign)))
    assert (made.action, made.refusal) == (PublishAction.REFUSE, Refusal.SEVERAL)
    assert "id1" in made.reasons[0] and "id2" in made.reasons[0]


def test_a_deactivated_image_is_refused() -> None:
    made = decide(SPEC, LOCAL, CloudFacts((image(status="deactivated"),)))
    assert (made.action, made.refusal) == (PublishAction.REFUSE, Refusal.DEACTIVATED)


def test_an_upload_that_is_under_way_is_left_alone() -> None:
    busy = image(status="saving", hidden=True, hash_value=None)
    action, _, _ = plan(busy, under_way=frozenset({"id1"}))
    assert action is PublishAction.REFUSE


@pytest.mark.parametrize("status", ["queued", "saving", "uploading", "importing"])
def test_what_a_killed_run_left_is_removed(status: str) -> None:
    left = image(status=status, hidden=True, size=None, hash_value=None, checksum=None)
    made = decide(SPEC, LOCAL, CloudFacts((left,), abandoned=frozenset({"id1"})))
    assert (made.action, made.remove) == (PublishAction.UPLOAD, ("id1",))


def test_what_another_machine_may_be_uploading_stays() -> None:
    left = image(status="saving", hidden=True, size=None, hash_value=None, checksum=None)
    made = decide(SPEC, LOCAL, CloudFacts((left,)))
    assert (made.action, made.remove) == (PublishAction.UPLOAD, ())


def test_a_checked_image_that_did_not_get_its_name_is_finished() -> None:
    hidden = without(image(2, hidden=True), **{RUN_MARK: "x.y.1.2"})
    made = decide(SPEC, LOCAL, CloudFacts((image(hash_value="bb"), hidden)))
    assert (made.action, made.image_id, made.retire) == (PublishAction.FINISH, "id2", ("id1",))
    # It is seen only when everything else is right.
    assert made.changes[-1] == PropertyChange("os_hidden", True, False)
    assert PropertyChange(RUN_MARK, "x.y.1.2", None) in made.changes


def test_going_back_to_a_replaced_image_needs_no_upload() -> None:
    old = without(image(hidden=True), **{SUCCESSOR: "id2"})
    made = decide(SPEC, LOCAL, CloudFacts((old, image(2, hash_value="bb"))))
    assert (made.action, made.image_id, made.retire) == (PublishAction.FINISH, "id1", ("id2",))
    assert PropertyChange(SUCCESSOR, "id2", None) in made.changes


def test_an_old_image_with_the_name_is_retired_by_the_next_run() -> None:
    both = (image(1, hash_value="bb"), image(2))
    assert plan(*both) == (PublishAction.FINISH, "id2", ["id1"])


names = st.sampled_from(["architecture", "hw_disk_bus", "hw_x", "os_distro", "a/b~c"])


@given(
    before=st.dictionaries(names, st.sampled_from(["1", "2", ""])),
    after=st.dictionaries(names, st.sampled_from(["1", "2", ""])),
    hidden=st.booleans(),
)
def test_after_its_changes_nothing_is_left_to_change(
    before: dict[str, str], after: dict[str, str], hidden: bool
) -> None:
    there = image(spec=replace(SPEC, properties=before), hidden=hidden)
    spec = replace(SPEC, properties=after, visibility="private")
    attributes, wanted = properties.attributes(spec, LOCAL), properties.wanted(spec)
    result = dict(there.properties)
    settings: dict[str, Any] = {}
    for change in changes(there, attributes, wanted):
        if change.name in {"visibility", "min_disk", "min_ram", "name"}:
            settings[change.name] = change.new
        elif change.name == "os_hidden":
            settings["hidden"] = change.new
        elif change.new is None:
            del result[change.name]
        else:
            result[change.name] = str(change.new)
    changed = replace(there, properties=result, **settings)
    assert changes(changed, attributes, wanted) == ()
    assert decide(spec, LOCAL, CloudFacts((changed,))).action is PublishAction.KEEP


def test_a_plan_is_text_and_json() -> None:
    made = decide(SPEC, LOCAL, CloudFacts((image(hash_value="bb"),)))
    text = made.to_text()
    assert "jammy: replace" in text and "architecture=aarch64" in text
    assert "then hide id1" in text
    assert json.loads(json.dumps(made.to_dict()))["retire"] == ["id1"]
