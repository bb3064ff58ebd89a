"""The files of container images, to compare them."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile


def tree(image: str, platform: str) -> dict[str, tuple[object, ...]]:
    """Each path of an image with its type, mode, owner, size, and content or link target.

    Without times, also those of the sources in compiled Python files (PEP 552).
    """
    create = ["docker", "create", "--platform", platform, image, "true"]
    container = subprocess.run(create, capture_output=True, text=True, check=True).stdout.strip()
    found: dict[str, tuple[object, ...]] = {}
    try:
        with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export:
            assert export.stdout is not None
            with tarfile.open(fileobj=export.stdout, mode="r|") as tar:
                for member in tar:
                    stream = tar.extractfile(member) if member.isreg() else None
                    content = stream.read() if stream else b""
                    if member.name.endswith(".pyc"):
                        content = content[:8] + content[12:]
                    found[member.name] = (
                        member.type, oct(member.mode), member.uid, member.gid, member.size,
                        member.linkname, hashlib.sha256(content).hexdigest(),
                    )  # fmt: skip
    finally:
        subprocess.run(["docker", "rm", container], capture_output=True, check=True)
    return found


def programs(layer: bytes) -> list[str]:
    """The paths of a layer's ELF programs and libraries."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return [
            member.name
            for member in tar
            if (stream := tar.extractfile(member) if member.isreg() else None)
            and stream.read(4) == b"\x7fELF"
        ]


def differences(one: str, other: str, platform: str) -> list[str]:
    """The paths in which two images differ."""
    first, second = tree(one, platform), tree(other, platform)
    return sorted(path for path in first | second if first.get(path) != second.get(path))
