"""What guests must not share is gone from an image that was started before."""

from __future__ import annotations

import pytest

from guestprep import pipeline
from guestprep.appliance import Drive, launch_appliance
from guestprep.spec import PreparationPart
from tests.support import guest_disks
from tests.support.disks import Disks

pytestmark = pytest.mark.integration

MACHINE = "0123456789abcdef0123456789abcdef\n"

#: Files of an image that was started, and has then been saved.
USED: dict[str, bytes | str] = {
    "etc/machine-id": MACHINE,
    "var/lib/dbus/machine-id": MACHINE,
    "var/lib/systemd/random-seed": b"\1" * 512,
    "var/lib/systemd/credential.secret": b"\2" * 512,
    "etc/ssh/ssh_host_ed25519_key": "a key",
    "var/lib/cloud/instance": "-> /var/lib/cloud/instances/i-1",
    "var/lib/cloud/instances/i-1/boot-finished": "then",
    "var/lib/cloud/data/instance-id": "i-1\n",
    "var/lib/cloud/data/status.json": "{}",
    "var/lib/cloud/sem/config_scripts_per_once.once": "then",
}

#: What belongs to the image.
KEPT: dict[str, bytes | str] = {
    "var/lib/cloud/scripts/per-boot/own": "#!/bin/sh\n",
    "var/lib/cloud/seed/nocloud/meta-data": "x",
    "var/lib/systemd/catalog/database": "x",
    "etc/ssh/sshd_config": "x",
}


def test_a_used_image_becomes_a_new_one(disks: Disks) -> None:
    source = disks.disk("used", guest_disks.Recipe(graphics=True, extra={**USED, **KEPT}))
    output = disks.folder / "used-prepared.qcow2"
    record = pipeline.prepare(disks.guest(source), output, only=[PreparationPart.CLEAN])
    assert all(check.good for check in record.checks)
    assert any("seed/nocloud" in text for text in record.plan.warnings)
    with launch_appliance([Drive(output, "qcow2")]) as appliance:
        appliance.mount("/dev/sda1")
        there = {path for path in (*USED, *KEPT) if appliance.call("exists", f"/{path}")}
        assert there == {"etc/machine-id", *KEPT}
        assert appliance.read("/etc/machine-id") == b""
        assert not appliance.is_link("/var/lib/cloud/instance")
