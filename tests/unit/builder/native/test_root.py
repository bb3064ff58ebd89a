"""Native programs that are started without anything of an image's root."""

from __future__ import annotations

import struct

import pytest

from builder.native import root
from core.config.model import Architecture
from core.errors import KollarmError

X86, ARM = Architecture.X86_64, Architecture.AARCH64
LOADER = b"/lib64/ld-linux-x86-64.so.2\0"


def program(interpreter: bytes = LOADER, text: bytes = b"") -> bytes:
    """The least ELF program: its header, one program header, the path of its loader."""
    start = 64 + 56
    header = b"\x7fELF\2\1\1".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack(
        "<IIQQQQQQ", 3, 4, start, start, start, len(interpreter), len(interpreter), 1
    )
    return header + segment + interpreter + text


def test_program_gets_the_loader_of_the_root() -> None:
    before = program(text=b"rest")
    after = root.with_loader(before, X86, "usr/bin/tar")
    assert len(after) == len(before)
    assert b"\0" + root.MOUNT.encode() + b"/ld.so\0" in after
    assert LOADER not in after
    assert after.endswith(b"rest")


def test_program_with_another_loader_is_refused() -> None:
    with pytest.raises(KollarmError, match="usr/bin/tar"):
        root.with_loader(program(b"/opt/ld.so\0"), X86, "usr/bin/tar")


@pytest.mark.parametrize("host", [X86, ARM])
def test_loader_looks_into_the_root_alone(host: Architecture) -> None:
    paths = [f"/lib/{host}-linux-gnu/", f"/usr/lib/{host}-linux-gnu/"]
    paths += ["/etc/ld.so.cache", "/etc/ld.so.preload"]
    before = "\0".join(paths).encode()
    after = root.loader(before, host)
    assert len(after) == len(before)
    assert not any(path.encode() in after for path in paths)
    assert after.startswith(root.MOUNT.encode() + b"/lib/")


def test_unknown_loader_is_refused() -> None:
    with pytest.raises(KollarmError, match=r"ld\.so\.preload"):
        root.loader(b"/usr/lib/x86_64-linux-gnu/ /lib/x86_64-linux-gnu/ /etc/ld.so.cache", X86)


def test_dpkg_answers_with_the_images_architecture() -> None:
    before = b"x\0amd64\0libc.so.6\0amd64-none\0"
    after = root.with_architecture(before, X86, ARM, "usr/bin/dpkg")
    assert after == b"x\0arm64\0libc.so.6\0amd64-none\0"


def test_ambiguous_architecture_is_refused() -> None:
    with pytest.raises(KollarmError, match="dpkg"):
        root.with_architecture(b"\0amd64\0\0amd64\0", X86, ARM, "usr/bin/dpkg")


def test_driver_looks_where_the_images_own_does() -> None:
    paths = b"/usr/lib/gcc-cross/\0/usr/libexec/gcc-cross/\0"
    after = root.driver(program(text=paths), X86, "usr/bin/gcc")
    assert len(after) == len(program(text=paths))
    assert after.endswith(b"/usr/lib/gcc///////\0/usr/libexec/gcc///////\0")


def test_unknown_driver_is_refused() -> None:
    with pytest.raises(KollarmError, match="usr/bin/gcc"):
        root.driver(program(text=b"/opt/gcc/"), X86, "usr/bin/gcc")
