"""What a record promises, for those who check an image by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from guestprep.checks import Check
from guestprep.plan.model import (
    CleanStep,
    CopyStep,
    FileStep,
    GrowStep,
    GrubChange,
    GrubStep,
    InitramfsStep,
    ReplaceStep,
    TimezoneStep,
)
from guestprep.record import PreparationRecord
from guestprep.spec import FileSpec, PreparationPart, PreparationSpec
from tests.support.preparation import install, package, plan

SPEC = PreparationSpec(
    consoles=("ttyAMA0", "tty0"),
    parts=(PreparationPart.PACKAGES, PreparationPart.GRUB, PreparationPart.FILES),
    clean_host_keys=False,
    packages=("htop",),
    files=(FileSpec("/etc/motd", Path("/home/me/greeting"), 0o640, "ab" * 32),),
    timezone="Europe/Berlin",
    size=4 << 30,
)
PLAN = plan(
    install("htop", "3.4"),
    ReplaceStep(
        reason="it has no graphics",
        packages=(package("linux-image-arm64", "6.12"),),
        manual=("linux-image-arm64",),
        kernel="6.12-arm64",
        old="6.12-cloud-arm64",
        remove=("linux-image-cloud-arm64",),
    ),
    FileStep("later kernels", "/etc/modules-load.d/kollarm.conf", "virtio-gpu\n"),
    CopyStep("asked for", "/etc/motd", "/home/me/greeting", "ab" * 32, 0o640),
    TimezoneStep("asked for", "Europe/Berlin", "/usr/share/zoneinfo/Europe/Berlin", named=True),
    GrowStep(
        reason="asked for",
        size=4 << 30,
        before=2 << 30,
        device="/dev/sda1",
        number=1,
        filesystem="ext4",
        mounted="/",
        gpt=True,
    ),
    InitramfsStep("it lacks the module", "/boot/initrd.img", "6.12-arm64"),
    GrubStep(
        "consoles",
        "/boot/grub/grub.cfg",
        ("ttyAMA0", "tty0"),
        (GrubChange("Debian", ("quiet",), ("quiet", "console=tty0")),),
        {"6.12-cloud-arm64": "6.12-arm64"},
    ),
    CleanStep("each guest needs its own", "the machine-id", (), ("/etc/machine-id",)),
    warnings=("no cloud-init",),
)


def record() -> PreparationRecord:
    """A record as it is read from its file."""
    made = PreparationRecord(
        name="guest",
        source="/source",
        output="/output",
        sha256="ef" * 32,
        size=1,
        distribution="debian",
        release="13",
        inputs={"wishes": SPEC.to_dict()},
        plan=PLAN,
        outcome={},
        checks=(Check("it starts", good=False, found="it doesn't"),),
        seconds={},
    )
    read = PreparationRecord.from_dict(json.loads(json.dumps(made.to_dict())))
    assert json.dumps(read.to_dict()) == json.dumps(made.to_dict())
    assert read.plan.to_text() == PLAN.to_text() and read.checks == made.checks
    return read


def test_a_record_expects_what_was_requested_and_installed() -> None:
    promise = record().expectations
    assert promise is not None
    (file,) = promise.spec.files
    assert replace(promise.spec, files=(replace(file, source=SPEC.files[0].source),)) == SPEC
    assert promise.installed == (("htop", "3.4"), ("linux-image-arm64", "6.12"))
    assert promise.replaced == (("6.12-cloud-arm64", ("linux-image-cloud-arm64",)),)


@pytest.mark.parametrize("spec", [None, {}, {**SPEC.to_dict(), "colour": "green"}])
def test_a_record_of_another_version_expects_nothing(spec: object) -> None:
    assert replace(record(), inputs={"wishes": spec}).expectations is None
