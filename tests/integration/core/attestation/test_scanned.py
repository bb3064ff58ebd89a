"""Bills of materials as Syft reads them, the reader of the scanner Grype."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.attestation import spdx
from core.attestation.spdx import BilledThing, BomPackage, OperatingSystem

pytestmark = pytest.mark.integration

DPKG_STATUS = Path("/var/lib/dpkg/status")


def read_by_syft(bill: dict[str, object], folder: Path) -> Any:
    """A bill of materials as Syft understands it."""
    (folder / "bill.spdx.json").write_text(json.dumps(bill))
    syft = Path(sys.executable).with_name("syft")
    subprocess.run(
        [syft, "convert", "bill.spdx.json", "-o", "syft-json=read.json"],
        check=True,
        cwd=folder,
        env={**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"},
    )
    return json.loads((folder / "read.json").read_text())


@pytest.mark.parametrize("about", BilledThing)
def test_each_package_of_this_machine_is_read(tmp_path: Path, about: BilledThing) -> None:
    installed = spdx.debian_packages(DPKG_STATUS.read_text(encoding="utf-8"))
    system = OperatingSystem("debian", "12")
    told = read_by_syft(
        spdx.document("k/x:1", "ab" * 32, installed, about=about, system=system), tmp_path
    )
    assert (told["distro"]["id"], told["distro"]["versionID"]) == ("debian", "12")
    found = {
        (one["name"], one["version"], one["metadata"]["architecture"]): one["metadata"]
        for one in told["artifacts"]
        if one["type"] == "deb"
    }
    assert len(found) == len(installed) > 100
    for one in installed:
        metadata = found[one.name, one.version, one.architecture]
        assert metadata["source"] == one.source
        assert metadata["sourceVersion"] == one.source_version


def test_rpm_and_python_packages_are_read(tmp_path: Path) -> None:
    some = [
        BomPackage("rpm", "vim", "2:8.2-1.el9", "aarch64", "vim-8.2-1.el9.src.rpm"),
        BomPackage("pypi", "Zope.Interface", "6.1"),
    ]
    system = OperatingSystem("rocky", "9.5")
    told = read_by_syft(spdx.document("k/x:1", "ab" * 32, some, system=system), tmp_path)
    assert (told["distro"]["id"], told["distro"]["versionID"]) == ("rocky", "9.5")
    [vim] = [one for one in told["artifacts"] if one["type"] == "rpm"]
    assert (vim["metadata"]["epoch"], vim["metadata"]["sourceRpm"]) == (2, some[0].source)
    assert [one["name"] for one in told["artifacts"] if one["type"] == "python"]
