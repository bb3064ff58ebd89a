"""Consoles after changes of an instance, and signed images, in a small real cloud of their own."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace

import pytest

from core.run import run
from guestprep import publish
from guestprep.publish.properties import ARM64
from guestprep.publish.signatures import ImageSigner
from testbed.cloud.service_catalog import FLAVOR
from tests.support.image_keys import certificate, make_key
from tests.support.small_cloud import Cloud

pytestmark = [pytest.mark.integration, pytest.mark.cloud]


@pytest.mark.parametrize("console", ["novnc", "serial"])
def test_a_console_is_there_after_changes(
    cloud: Cloud,
    x86: str,
    console: str,
) -> None:
    nova = cloud.connection.compute
    if nova.find_flavor("larger") is None:
        nova.create_flavor(name="larger", ram=1280, vcpus=2, disk=0)
    done = cloud.verify(x86, "--console", console, "--after", "reboot,rebuild,resize")
    assert done.status == 0, done.stderr
    stages = {"after a reboot", "after a rebuild", "after a resize", "keyboard"}
    assert stages <= set(done.document["seconds"])
    assert cloud.instances() == []


def test_nova_starts_guests_of_signed_images_only(
    cloud: Cloud,
) -> None:
    """The last test of this cloud: from here on it refuses what isn't signed."""
    run([*cloud.script, "up", "--signatures"], timeout=900)
    key = make_key("p384")
    known = str(uuid.uuid4())
    folder = cloud.layout.service_folder("glance") / "certificates"
    folder.mkdir(exist_ok=True)
    (folder / f"{known}.der").write_bytes(certificate(key))
    disk = cloud.folder / "signed.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "16M"])
    spec = publish.PublishSpec(
        "signed", architecture="x86_64", signer=ImageSigner(key, known),
        properties=dict.fromkeys(ARM64, ""), visibility="private",
    )  # fmt: skip
    signed = publish.publish(cloud.connection, disk, spec).image_id
    unsigned = publish.publish(
        cloud.connection, disk, replace(spec, name="unsigned", signer=None)
    ).image_id
    nova = cloud.connection.compute
    flavor = nova.find_flavor(FLAVOR).id
    states = {}
    for image in (signed, unsigned):
        server = nova.create_server(
            name="signed", image_id=image, flavor_id=flavor, networks="none"
        )
        while (server := nova.get_server(server.id)).status == "BUILD":
            time.sleep(2)
        states[image] = server.status
        nova.delete_server(server.id)
    assert states == {signed: "ACTIVE", unsigned: "ERROR"}
