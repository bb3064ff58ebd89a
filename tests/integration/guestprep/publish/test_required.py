"""Signatures and required properties, checked by a real Glance (the former by cursive)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError, KollarmError
from guestprep.publish import Method, PublishSpec, Replaced, connect, publish
from guestprep.publish.cloud import Glance, GlanceError
from guestprep.publish.model import PublishAction
from guestprep.publish.signature_names import SIGNATURE
from guestprep.publish.signatures import ImageSigner
from kollarm.services.glance import EmbeddedGlance
from tests.support.changed_glance import changed_glance
from tests.support.image_keys import certificate, make_key
from tests.support.publishing import all_of

pytestmark = pytest.mark.integration

SITE = {
    "properties": {"site_owner": {"type": "string", "enum": ["us", "them"]}},
    "required": ["site_owner"],
}


def store(service: EmbeddedGlance, content: bytes) -> str:
    """Put a certificate where Glance looks for it, and return its id."""
    name = str(uuid.uuid4())
    folder = service.layout.folder / "certificates"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.der").write_bytes(content)
    return name


@pytest.mark.parametrize("kind", ["rsa", "p384"])
def test_glance_accepts_the_signature(
    cloud: EmbeddedGlance, connection: Any, images: dict[str, Path], spec: PublishSpec, kind: str
) -> None:
    key = make_key(kind)
    signed = replace(spec, signer=ImageSigner(key, store(cloud, certificate(key))))
    record = publish(connection, images["first"], signed)
    again = publish(connection, images["first"], signed)
    assert (record.action, again.action) == (PublishAction.UPLOAD, PublishAction.KEEP)
    assert again.properties[SIGNATURE] == record.properties[SIGNATURE]


def test_glance_refuses_a_signature_of_another_key(
    cloud: EmbeddedGlance, connection: Any, images: dict[str, Path], spec: PublishSpec
) -> None:
    theirs = store(cloud, certificate(make_key("rsa")))
    with pytest.raises(GlanceError, match="ignature"):
        publish(
            connection, images["first"], replace(spec, signer=ImageSigner(make_key("rsa"), theirs))
        )
    assert all_of(Glance(connection), spec) == []


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A connection to a Glance that requires a property, and converts imports."""

    def change(contents: dict[str, str]) -> None:
        contents["schema-image.json"] = json.dumps(SITE)
        contents["glance-image-import.conf"] += (
            "[image_import_opts]\nimage_import_plugins = [image_conversion]\n"
            "[image_conversion]\noutput_format = raw\n"
        )

    with changed_glance(tmp_path_factory.mktemp("strict"), change) as service:
        yield connect(service.cloud, clouds_yaml=service.clouds_yaml), service


def test_a_property_of_the_site_is_told_before(
    strict: Any, images: dict[str, Path], spec: PublishSpec
) -> None:
    connection, _ = strict
    with pytest.raises(ConfigError) as caught:
        publish(connection, images["first"], spec)
    assert "site_owner" in str(caught.value.__dict__)
    given = replace(spec, properties={"site_owner": "us"})
    assert publish(connection, images["first"], given).status == "active"
    assert publish(connection, images["first"], given).action is PublishAction.KEEP
    # This Glance refuses to hide it, so that only deleting is left.
    with pytest.raises(KollarmError, match="lets nobody hide"):
        publish(connection, images["second"], given)
    deleting = replace(given, replaced=Replaced.DELETE)
    assert publish(connection, images["second"], deleting).action is PublishAction.REPLACE
    assert len(all_of(Glance(connection), spec)) == 1
    # Nor does it change properties.
    larger = replace(given, min_ram=64)
    with pytest.raises(KollarmError, match="or change") as refused:
        publish(connection, images["second"], larger)
    assert "cloud.replaced" in (refused.value.hint or "")
    assert publish(connection, images["second"], replace(deleting, min_ram=64)).sent
    (there,) = all_of(Glance(connection), spec)
    assert there.min_ram == 64


def test_an_image_that_nobody_may_change_is_known_again(
    strict: Any, images: dict[str, Path], spec: PublishSpec
) -> None:
    """This Glance converts it, so that it has to bear a note of what was sent."""
    connection, _ = strict
    given = replace(spec, properties={"site_owner": "us"}, method=Method.GLANCE_DIRECT)
    assert publish(connection, images["first"], given).status == "active"
    (there,) = all_of(Glance(connection), spec)
    assert there.disk_format == "raw"
    assert publish(connection, images["first"], given).action is PublishAction.KEEP


def test_a_converted_image_can_not_be_signed(
    strict: Any, images: dict[str, Path], spec: PublishSpec
) -> None:
    connection, service = strict
    key = make_key("rsa")
    signed = replace(
        spec,
        properties={"site_owner": "us"},
        method=Method.GLANCE_DIRECT,
        signer=ImageSigner(key, store(service, certificate(key))),
    )
    with pytest.raises(KollarmError):
        publish(connection, images["first"], signed)
    assert all_of(Glance(connection), spec) == []
