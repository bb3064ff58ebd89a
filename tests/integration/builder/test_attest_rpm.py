"""The bill of materials of an image with rpm, of packages and a database that real rpm made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from builder.attest import contents
from builder.engines.docker import DockerEngine
from builder.engines.protocol import BuildJob
from core.attestation.spdx import BomPackage
from tests.support import rpm_image
from tests.support.registries import context

pytestmark = pytest.mark.integration


def test_the_images_own_rpm_is_asked(tmp_path: Path) -> None:
    reference, own = "kollarm-test-rpm:t", DockerEngine()
    own.build(
        BuildJob(
            context(rpm_image.DOCKERFILE, **{"root.tar": rpm_image.root(tmp_path)}),
            reference,
            rpm_image.MACHINE,
        )
    )
    try:
        found = contents.read(own, reference)
        assert found is not None
        system, packages = found
        assert system.id == "centos"
        assert sorted(packages) == [
            BomPackage("rpm", "plain", "1.2-3.el9", "noarch", "plain-1.2-3.el9.src.rpm"),
            BomPackage(
                "rpm", "with-epoch", "4:1.2-3.el9", "noarch", "with-epoch-1.2-3.el9.src.rpm"
            ),
        ]
        assert packages[0].url(system).startswith(f"pkg:rpm/centos/{packages[0].name}@1.2-3.el9?")
        assert own.run_program(reference, ["no-such-program"]) is None
    finally:
        subprocess.run(["docker", "rmi", "-f", reference], check=True, capture_output=True)
