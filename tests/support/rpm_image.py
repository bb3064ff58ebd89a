"""An image with rpm and a database of packages that real rpm made."""

from __future__ import annotations

import io
import platform
import subprocess
import tarfile
from pathlib import Path

from core.config.model import Architecture

MACHINE = Architecture(platform.machine())

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
