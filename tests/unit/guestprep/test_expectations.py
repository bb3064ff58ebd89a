"""What a record promises, for those who check an image by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guestprep.expectations import Expectations
from guestprep.record import PreparationRecord
from guestprep.spec import FileSpec, PreparationPart, PreparationSpec

SPEC = PreparationSpec(
    consoles=("ttyAMA0", "tty0"),
    parts=(PreparationPart.PACKAGES, PreparationPart.GRUB, PreparationPart.FILES),
    clean_host_keys=False,
    packages=("htop",),
    files=(FileSpec("/etc/motd", Path("/home/me/greeting"), 0o640, "ab" * 32),),
    timezone="Europe/Berlin",
    size=4 << 30,
)
STEPS: list[dict[str, Any]] = [
    {"kind": "install", "packages": [{"name": "htop", "version": "3.4", "sha256": "cd" * 32}]},
    {
        "kind": "replace",
        "packages": [{"name": "linux-image-arm64", "version": "6.12"}],
        "old": "6.12-cloud-arm64",
        "remove": ["linux-image-cloud-arm64"],
    },
    {"kind": "grub", "path": "/boot/grub/grub.cfg"},
]


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
        plan={"steps": STEPS},
        outcome={},
        checks=[],
        seconds={},
    )
    return PreparationRecord(**json.loads(json.dumps(made.to_dict())))


def test_a_record_promises_what_was_requested_and_installed() -> None:
    promise = Expectations.recorded(record())
    assert promise is not None
    (file,) = promise.spec.files
    assert replace(promise.spec, files=(replace(file, source=SPEC.files[0].source),)) == SPEC
    assert promise.installed == (("htop", "3.4"), ("linux-image-arm64", "6.12"))
    assert promise.replaced == (("6.12-cloud-arm64", ("linux-image-cloud-arm64",)),)


@pytest.mark.parametrize("spec", [None, {}, {**SPEC.to_dict(), "colour": "green"}])
def test_a_record_of_another_time_promises_nothing(spec: object) -> None:
    assert Expectations.recorded(replace(record(), inputs={"wishes": spec})) is None
