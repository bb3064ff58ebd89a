"""What is refused, or cannot be done, is said before anything is made."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import openstack
import pytest

from core.errors import KollarmError, UnusableInput
from guestprep.publish import (
    PublishSpec,
    connect,
    publish,
)
from guestprep.publish.cloud import Glance, GlanceError
from guestprep.publish.model import PublishAction
from kollarm.services.glance import EmbeddedGlance
from tests.support.publishing import all_of
from tests.support.servers import free_port

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def member(connection: Any, cloud: EmbeddedGlance) -> Any:
    """A connection of a user who is no administrator."""
    name = f"member-{uuid.uuid4().hex[:8]}"
    project = connection.identity.create_project(name=name, domain_id="default")
    user = connection.identity.create_user(name=name, password="secret", domain_id="default")
    role = connection.identity.find_role("member")
    connection.identity.assign_project_role_to_user(project, user, role)
    return openstack.connect(
        auth_url=f"{cloud.keystone_url}/v3",
        username=name,
        password="secret",
        project_name=name,
        user_domain_id="default",
        project_domain_id="default",
        region_name="RegionOne",
    )


def test_publishing_publicly_without_the_right_is_explained(
    member: Any, images: dict[str, Path], spec: PublishSpec
) -> None:
    with pytest.raises(GlanceError, match="403") as caught:
        publish(member, images["large"], spec)
    assert "visibility: private" in (caught.value.hint or "")
    record = publish(member, images["first"], replace(spec, visibility="private"))
    assert record.visibility == "private"


def test_a_project_may_deactivate_what_it_replaced(
    member: Any, images: dict[str, Path], spec: PublishSpec
) -> None:
    record = publish(member, images["first"], replace(spec, visibility="private"))
    glance = Glance(member)
    glance.deactivate(record.image_id)
    assert glance.get(record.image_id).status == "deactivated"
    glance.delete(record.image_id)


def test_another_projects_public_image_is_not_ours(
    connection: Any, api: Glance, member: Any, images: dict[str, Path], spec: PublishSpec
) -> None:
    theirs = publish(connection, images["first"], spec)
    mine = replace(spec, visibility="private")
    with pytest.raises(KollarmError, match="another project") as refused:
        publish(member, images["second"], mine)
    assert "--adopt" not in (refused.value.hint or "--adopt")
    # Nor can it be taken over by force: that is found out before anything is sent.
    with pytest.raises(GlanceError, match="403"):
        publish(member, images["second"], replace(mine, adopt=True))
    assert [image.id for image in Glance(member).find(name=spec.name)] == [theirs.image_id]
    assert publish(connection, images["first"], spec).action is PublishAction.KEEP


def test_wrong_credentials_are_explained(
    cloud: EmbeddedGlance, images: dict[str, Path], spec: PublishSpec, tmp_path: Path
) -> None:
    wrong = tmp_path / "clouds.yaml"
    wrong.write_text(cloud.clouds_yaml.read_text().replace("password: ", "password: not-"))
    with pytest.raises(GlanceError, match="credentials"):
        publish(connect(cloud.cloud, clouds_yaml=wrong), images["first"], spec)


def test_an_unreachable_glance_is_explained(
    images: dict[str, Path], spec: PublishSpec, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(
        f"clouds: {{gone: {{auth_type: none, auth: {{endpoint: '{url}'}}, "
        f"image_endpoint_override: '{url}'}}}}"
    )
    with pytest.raises(GlanceError, match="reached") as caught:
        publish(connect("gone", clouds_yaml=clouds), images["first"], spec)
    assert url in caught.value.message
    assert caught.value.hint


def test_an_unreachable_keystone_is_explained(
    cloud: EmbeddedGlance, images: dict[str, Path], spec: PublishSpec, tmp_path: Path
) -> None:
    clouds = tmp_path / "clouds.yaml"
    text = cloud.clouds_yaml.read_text()
    clouds.write_text(text.replace(f":{cloud.keystone_port}", f":{free_port()}"))
    with pytest.raises(GlanceError, match="reached"):
        publish(connect(cloud.cloud, clouds_yaml=clouds), images["first"], spec)


def test_a_damaged_file_is_refused_before_anything_is_made(
    connection: Any, api: Glance, images: dict[str, Path], spec: PublishSpec, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.qcow2"
    cut.write_bytes(images["first"].read_bytes()[:100_000])
    with pytest.raises(UnusableInput, match="cut short"):
        publish(connection, cut, spec)
    assert all_of(api, spec) == []
