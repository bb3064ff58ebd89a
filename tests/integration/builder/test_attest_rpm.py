"""The bill of materials of an image with rpm, of packages and a database that real rpm made."""

from __future__ import annotations

import io
import platform
import subprocess
import tarfile
from pathlib import Path

import pytest

from builder.attest import contents
from builder.engines.docker import DockerEngine
from core.attestation.spdx import BomPackage
from core.config.model import Architecture
from tests.support.registries import context

pytestmark = pytest.mark.integration

SPEC = """\
Name: {name}
Version: 1.2
Release: 3.el9
{epoch}
Summary: A package of a test
License: none
BuildArch: noarch
%description
It has no files.
%files
"""

DOCKERFILE = """\
FROM scratch
ADD root.tar /
ENTRYPOINT ["this is not run"]
"""


def built(folder: Path, name: str, epoch: str = "") -> Path:
    """A package of no files."""
    spec = folder / f"{name}.spec"
    spec.write_text(SPEC.format(name=name, epoch=epoch))
    subprocess.run(
        ["rpmbuild", "-bb", "--define", f"_topdir {folder}", spec], check=True, capture_output=True
    )
    return folder / "RPMS" / "noarch" / f"{name}-1.2-3.el9.noarch.rpm"


def root(folder: Path) -> bytes:
    """A root with this machine's rpm, a shell, and rpm's database, as a tar archive."""
    tree = folder / "root"
    (tree / "usr/lib").mkdir(parents=True)
    (tree / "usr/lib/os-release").write_text('ID="centos"\n')
    (tree / "etc/rpm").mkdir(parents=True)
    (tree / "etc/group").write_text("root:x:0:\n")
    (tree / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (tree / "etc/rpm/macros").write_text("%_dbpath /var/lib/rpm\n")
    packages = [built(folder, "plain"), built(folder, "with-epoch", "Epoch: 4")]
    subprocess.run(
        ["rpm", "--dbpath", tree / "var/lib/rpm", "--justdb", "--nodeps", "--force-debian",
         "-i", *packages],
        check=True,
    )  # fmt: skip
    programs = ("/usr/bin/rpm", "/bin/sh")
    linked = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True)
    libraries = {word for word in linked.stdout.split() if word[0] == "/" and word[-1] != ":"}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", dereference=True) as tar:
        tar.add(tree, ".")
        for path in (*programs, "/usr/lib/rpm/rpmrc", "/usr/lib/rpm/macros", *libraries):
            tar.add(path, path.lstrip("/"))
    return stream.getvalue()


MACHINE = Architecture(platform.machine())


def test_the_images_own_rpm_is_asked(tmp_path: Path) -> None:
    reference, own = "kollarm-test-rpm:t", DockerEngine()
    own.build(context(DOCKERFILE, **{"root.tar": root(tmp_path)}), reference, MACHINE)
    try:
        found = contents.read(own, reference)
        assert found is not None
        distribution, packages = found
        assert distribution == "centos"
        assert sorted(packages) == [
            BomPackage("rpm", "plain", "1.2-3.el9", "noarch", "plain-1.2-3.el9.src.rpm"),
            BomPackage(
                "rpm", "with-epoch", "4:1.2-3.el9", "noarch", "with-epoch-1.2-3.el9.src.rpm"
            ),
        ]
        assert [package.url(distribution) for package in sorted(packages)] == [
            "pkg:rpm/centos/plain@1.2-3.el9?arch=noarch",
            "pkg:rpm/centos/with-epoch@1.2-3.el9?arch=noarch&epoch=4",
        ]
        assert own.output(reference, ["no-such-program"]) is None
    finally:
        subprocess.run(["docker", "rmi", "-f", reference], check=True, capture_output=True)
