"""Members, tags and protection, against a real Glance with a real Keystone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guestprep.publish import PublishSpec, Replaced, publish
from guestprep.publish.cloud import Glance
from guestprep.publish.model import PropertyChange, PublishAction
from tests.support.publishing import all_of

pytestmark = pytest.mark.integration


def test_an_image_is_shared_with_projects(
    connection: Any, api: Glance, images: dict[str, Path], spec: PublishSpec
) -> None:
    service = connection.identity.find_project("service").id
    shared = replace(spec, visibility="shared", members=(service,))
    record = publish(connection, images["first"], replace(shared, members=()))
    assert api.members(record.image_id) == []
    assert publish(connection, images["first"], shared).action is PublishAction.UPDATE
    assert api.members(record.image_id) == [service]
    assert publish(connection, images["first"], shared).action is PublishAction.KEEP


def test_tags_are_added_and_others_stay(
    connection: Any, api: Glance, images: dict[str, Path], spec: PublishSpec
) -> None:
    tagged = replace(spec, tags=("os:ubuntu", "managed_by_us"))
    record = publish(connection, images["first"], tagged)
    assert api.get(record.image_id).tags == {"os:ubuntu", "managed_by_us"}
    api.change(record.image_id, [PropertyChange("tags", (), ("os:ubuntu", "theirs"))])
    assert publish(connection, images["first"], tagged).action is PublishAction.UPDATE
    assert api.get(record.image_id).tags == {"os:ubuntu", "managed_by_us", "theirs"}


def test_protection_comes_and_goes_by_the_configuration(
    connection: Any, api: Glance, images: dict[str, Path], spec: PublishSpec
) -> None:
    record = publish(connection, images["first"], replace(spec, protected=True))
    assert api.get(record.image_id).protected
    assert publish(connection, images["first"], spec).action is PublishAction.UPDATE
    assert not api.get(record.image_id).protected
    api.change(record.image_id, [PropertyChange("protected", False, True)])
    kept = publish(connection, images["first"], spec)
    assert (kept.action, api.get(record.image_id).protected) == (PublishAction.KEEP, True)
    api.change(record.image_id, [PropertyChange("protected", True, False)])


@pytest.mark.parametrize("by_hand", [False, True])
def test_only_our_own_protection_is_lifted(
    connection: Any, api: Glance, images: dict[str, Path], spec: PublishSpec, by_hand: bool
) -> None:
    ours = replace(spec, protected=not by_hand, replaced=Replaced.DELETE)
    old = publish(connection, images["first"], ours).image_id
    api.change(old, [PropertyChange("protected", not by_hand, True)])
    publish(connection, images["second"], ours)
    left = {image.id for image in all_of(api, spec)}
    assert (old in left) is by_hand
