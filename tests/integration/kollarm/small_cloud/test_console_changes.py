"""Consoles after changes of an instance, and signed images, in a small real cloud of their own."""

from __future__ import annotations

import uuid

import pytest
from openstack.exceptions import SDKException

from core.run import run
from guestprep import publish
from guestprep.publish.cloud import Glance
from guestprep.publish.model import PropertyChange
from guestprep.publish.signature_names import SIGNATURE
from guestprep.publish.signatures import ImageSigner
from kollarm.console_proof import InstanceChange
from kollarm.console_proof.compute import Compute
from testbed.cloud.layout import ARM_HOST
from tests.support import efi_program, x86_guest
from tests.support.image_keys import certificate, make_key
from tests.support.small_cloud import EMULATED, Cloud, instance

pytestmark = [pytest.mark.integration, pytest.mark.cloud]


@pytest.fixture(scope="module", autouse=True)
def _larger(cloud: Cloud) -> None:
    """A flavor to resize to."""
    cloud.connection.compute.create_flavor(name="larger", ram=1280, vcpus=2, disk=0)


@pytest.mark.parametrize(
    ("console", "changes"), [("novnc", "reboot,rebuild,resize"), ("serial", "reboot,rebuild")]
)
def test_a_console_is_there_after_changes(
    cloud: Cloud, x86: str, console: str, changes: str
) -> None:
    done = cloud.verify(x86, "--console", console, "--after", changes)
    assert done.status == 0, done.stderr
    assert set(done.document["seconds"]) >= {f"after a {one}" for one in changes.split(",")}
    assert cloud.instances() == []


def test_a_serial_port_that_a_resize_takes_away_is_missed(cloud: Cloud, x86: str) -> None:
    """Nova leaves it out of a machine that it resizes on its own host."""
    done = cloud.verify(x86, "--console", "serial", "--after", "resize")
    assert done.status == 1
    found = done.document["diagnosis"]
    assert "after a resize" in found["reason"] and "reboot --hard" in found["remedy"], done.stdout
    assert cloud.instances() == []


def test_a_hard_reboot_gives_the_serial_port_back(cloud: Cloud, x86: str) -> None:
    nova = cloud.connection.compute
    with instance(cloud, x86) as server:
        nova.resize_server(server, nova.find_flavor("larger"))
        nova.wait_for_server(server, status="VERIFY_RESIZE", wait=300)
        nova.confirm_server_resize(server)
        nova.wait_for_server(server, wait=300)
        with pytest.raises(SDKException, match="console"):
            nova.create_console(server, console_type="serial")
        assert Compute(cloud.connection).console_log(server.id) == ""
        nova.reboot_server(server, "HARD")
        nova.wait_for_server(nova.get_server(server.id), wait=300)
        assert nova.create_console(server, console_type="serial")["url"]


def test_an_arm_machines_console_is_there_after_changes(cloud: Cloud) -> None:
    """Nova chooses firmware, screen and keyboard anew; a program of the firmware uses all three."""
    code = efi_program.echoing("small-guest login: ")
    # A program of the firmware doesn't hear the request to shut down.
    properties = {**EMULATED, "os_shutdown_timeout": "0"}
    spec = publish.PublishSpec("arm-small", properties=properties, visibility="private")
    publish.publish(cloud.connection, efi_program.disk(cloud.folder, code), spec)
    done = cloud.verify("arm-small", "--after", "reboot,rebuild,resize")
    assert done.status == 0, done.stderr
    assert set(done.document["seconds"]) >= {f"after a {one}" for one in InstanceChange}
    assert done.document["host"] == ARM_HOST.name
    assert cloud.instances() == []


def test_a_prepared_guests_console_is_there_after_a_reboot(cloud: Cloud, prepared: str) -> None:
    done = cloud.verify(prepared, "--after", "reboot")
    assert done.status == 0, done.stderr
    assert "after a reboot" in done.document["seconds"]


def test_keys_that_a_reboot_takes_away_are_missed(cloud: Cloud) -> None:
    """Nova gives this guest another keyboard then, for which its kernel has no driver."""
    x86_guest.publish(cloud.connection, "x86-ps2", cloud.folder, properties={})
    done = cloud.verify("x86-ps2", "--after", "reboot")
    assert done.status == 1
    found = done.document["diagnosis"]
    assert found["stage"] == "keyboard" and "after a reboot" in found["reason"], done.stdout
    assert "virtio" in found["remedy"]


def test_nova_starts_guests_of_signed_images_only(cloud: Cloud) -> None:
    """The last test of this cloud: from here on it refuses what isn't signed."""
    run([*cloud.script, "up", "--signatures"], timeout=900)
    key = make_key("p384")
    signer = ImageSigner(key, str(uuid.uuid4()))
    folder = cloud.layout.service_folder("glance") / "certificates"
    folder.mkdir(exist_ok=True)
    (folder / f"{signer.certificate}.der").write_bytes(certificate(key))
    x86_guest.publish(cloud.connection, "signed", cloud.folder, signer=signer)
    done = cloud.verify("signed")
    assert done.status == 0, done.stderr

    x86_guest.publish(cloud.connection, "unsigned", cloud.folder)
    done = cloud.verify("unsigned")
    assert done.status == 1
    assert "cloud.signing" in done.document["diagnosis"]["remedy"], done.stdout
    # Glance looks at signatures when content arrives, not afterwards.
    x86_guest.publish(cloud.connection, "wrong", cloud.folder, signer=signer)
    glance = Glance(cloud.connection)
    [image] = glance.find(name="wrong")
    other = signer.properties("00" * 64)[SIGNATURE]
    glance.change(image.id, [PropertyChange(SIGNATURE, image.properties[SIGNATURE], other)])
    done = cloud.verify("wrong")
    assert done.status == 1
    assert "signed" in done.document["diagnosis"]["reason"], done.stdout
    assert cloud.instances() == []
