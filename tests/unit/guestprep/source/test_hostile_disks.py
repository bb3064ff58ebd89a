"""Files that are not a disk by themselves, against every command that takes a disk.

Programs that stand in for QEMU's record that they were called: what names other files must be
refused before any of them sees it.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config.model import Guest, GuestSource
from core.errors import KollarmError, UnusableInput
from core.run import run
from guestprep import pipeline, publish
from guestprep.boot import boot
from guestprep.inspect import inspect_image
from guestprep.publish.model import PublishSpec
from guestprep.source import disk_facts
from guestprep.source.qcow2 import HEADER_SIZE, parse_header
from guestprep.verify import verify

BOOT_SECTOR = bytes(510) + b"\x55\xaa"


def guest(path: Path) -> Guest:
    return Guest(name="g", source=GuestSource(path=path, sha256=None))


COMMANDS: dict[str, Callable[[Path], Any]] = {
    "inspect": inspect_image,
    "publish without a record": lambda path: publish.bootable_system(path, None),
    "plan": lambda path: pipeline.plan(guest(path)),
    "prepare": lambda path: pipeline.prepare(guest(path), path.parent / "out" / "result.qcow2"),
    "verify": verify,
    "boot": boot,
    "publish": lambda path: publish.plan(None, path, PublishSpec("g")),
}


# -- what is refused ----------------------------------------------------------


def qcow2(path: Path, *options: str) -> None:
    run(["qemu-img", "create", "-q", "-f", "qcow2", *options, path, "1M"])


def over(path: Path, backing: str, form: str = "raw") -> None:
    """An image over another one, which need not be there."""
    qcow2(path, "-u", "-F", form, "-b", backing)


def vmdk(path: Path, secret: Path) -> None:
    """A VMware descriptor: text that names a flat file as the disk's content."""
    path.write_text(
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
        f'createType="monolithicFlat"\nRW 8 FLAT "{secret}" 0\n'
    )


def unix_socket(path: Path, secret: Path) -> None:
    # By a short name: a test's folder may be longer than a socket's path may be.
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(f"/proc/self/fd/{handle}/{path.name}")
    finally:
        os.close(handle)


def data_file(path: Path, secret: Path) -> None:
    qcow2(path, "-o", f"data_file={path}.data")
    Path(f"{path}.data").unlink()
    Path(f"{path}.data").symlink_to(secret)


def unnamed_format(path: Path, secret: Path) -> None:
    qcow2(path)
    patch(path, 8, struct.pack(">QI", 512, 1))


def link_to_pipe(path: Path, secret: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


def patch(path: Path, at: int, value: bytes) -> None:
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(value)


def encrypted(path: Path, secret: Path) -> None:
    qcow2(path)
    patch(path, 32, struct.pack(">I", 2))


def of_format(name: str) -> Callable[[Path, Path], None]:
    def make(path: Path, secret: Path) -> None:
        run(["qemu-img", "create", "-q", "-f", name, path, "1M"])

    return make


KINDS: dict[str, Callable[[Path, Path], object]] = {
    "backing file": lambda path, secret: over(path, str(secret)),
    "backing image": lambda path, secret: over(path, str(secret), "qcow2"),
    "backing json:": lambda path, secret: over(
        path, f'json:{{"driver":"raw","file":{{"driver":"file","filename":"{secret}"}}}}'
    ),
    "backing nbd:": lambda path, secret: over(path, "nbd://127.0.0.1:1/x"),
    "backing without format": unnamed_format,
    "data file": data_file,
    "vmdk with an extent": vmdk,
    "vmdk": of_format("vmdk"),
    "vdi": of_format("vdi"),
    "vhdx": of_format("vhdx"),
    "vpc": of_format("vpc"),
    "qed": of_format("qed"),
    "parallels": of_format("parallels"),
    "encrypted": encrypted,
    "empty": lambda path, secret: path.touch(),
    "folder": lambda path, secret: path.mkdir(),
    "named pipe": lambda path, secret: os.mkfifo(path),
    "link to a named pipe": link_to_pipe,
    "socket": unix_socket,
    "device": lambda path, secret: path.symlink_to("/dev/zero"),
    "terminal": lambda path, secret: path.symlink_to("/dev/tty"),
    "link to itself": lambda path, secret: path.symlink_to(path.name),
    "link to nothing": lambda path, secret: path.symlink_to("nothing"),
    "long name": lambda path, secret: None,
}


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which stand-ins for QEMU's programs write down that they were called."""
    folder, log = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    for name in ("qemu-img", "qemu-system-aarch64", "qemu-system-x86_64", "hypervisor"):
        program = folder / name
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$0 $*" >>"{log}"\nexit 1\n')
        program.chmod(0o755)
    monkeypatch.setenv("LIBGUESTFS_HV", str(folder / "hypervisor"))
    monkeypatch.setenv("LIBGUESTFS_BACKEND", "direct")
    return log


@pytest.mark.parametrize("kind", KINDS)
def test_refused_before_qemu_sees_it(
    kind: str, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, disk = tmp_path / "secret", tmp_path / "disk.img"
    secret.write_bytes(b"of this machine\n" * 512)
    secret.chmod(0o600)
    if kind == "long name":
        disk = tmp_path / ("x" * 300)
    KINDS[kind](disk, secret)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    for name, command in COMMANDS.items():
        with pytest.raises(UnusableInput) as caught:
            command(disk)
        assert disk.name in caught.value.message, name
    assert publish.architecture_inside(disk) is None  # for an audit, which goes on
    assert not calls.exists(), calls.read_text()


# -- names that QEMU would understand differently -------------------------------

NAMES = (
    "v1:arm64.qcow2",
    "-o.img",
    "--help",
    'json:{"driver":"null-co"}',
    "nbd:localhost",
    "fat:rw:x",
    "a,format=raw,b.qcow2",
    "two words.qcow2",
    "ü.qcow2",
)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "good.qcow2"
    qcow2(path)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_always_a_file(
    name: str, disk: Path, tmp_path: Path, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(disk, name)
    facts = disk_facts(Path(name))
    assert (facts.format, facts.path) == ("qcow2", str(tmp_path.resolve() / name))
    raw = Path(f"{name}.raw")
    raw.write_bytes(BOOT_SECTOR + bytes(1 << 20))
    assert disk_facts(raw).format == "raw"
    # What a boot would run, with the real qemu-img before it.
    (tmp_path / "bin" / "qemu-img").unlink()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(KollarmError):
        boot(Path(name))
    drive = f"format=qcow2,file={tmp_path.resolve()}/{name.replace(',', ',,')} "
    assert drive in calls.read_text()


def test_the_path_is_the_one_that_was_looked_at(disk: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.qcow2"
    link.symlink_to(disk.name)
    assert disk_facts(link).path == str(disk.resolve())


# -- headers -------------------------------------------------------------------


@given(
    version=st.integers(2, 4),
    backing=st.sampled_from([0, 1, 512, 1 << 63]),
    crypt=st.integers(0, 3),
    features=st.integers(0, 2**64 - 1),
)
def test_every_dependence_in_a_header_is_seen(
    version: int, backing: int, crypt: int, features: int
) -> None:
    head = bytearray(HEADER_SIZE)
    struct.pack_into(">4sIQ", head, 0, b"QFI\xfb", version, backing)
    struct.pack_into(">I", head, 32, crypt)
    struct.pack_into(">Q", head, 72, features)
    header = parse_header(bytes(head))
    assert header is not None
    assert header.has_backing_file == (backing != 0)
    assert header.encrypted == (crypt != 0)
    assert header.has_data_file == (version >= 3 and bool(features & 4))


def test_qemu_agrees_about_headers(disk: Path, tmp_path: Path) -> None:
    """What QEMU says depends on others is refused, for headers that were tampered with."""
    content, other = disk.read_bytes(), tmp_path / "other.qcow2"
    name = str(tmp_path / "secret").encode()
    (tmp_path / "secret").write_bytes(bytes(1 << 20))
    wrong = []
    for backing, length, crypt, features in (
        (0, 0, 0, 0),
        (4096, len(name), 0, 0),
        (1, 8, 0, 0),
        (4096, 0, 0, 0),
        (0, len(name), 0, 0),
        (0, 0, 1, 0),
        (0, 0, 0, 4),
        (4096, len(name), 0, 4),
    ):
        data = bytearray(content)
        struct.pack_into(">QI", data, 8, backing, length)
        struct.pack_into(">I", data, 32, crypt)
        struct.pack_into(">Q", data, 72, features)
        data[4096 : 4096 + len(name)] = name
        other.write_bytes(data)
        answer = subprocess.run(
            ["qemu-img", "info", "-f", "qcow2", "--output=json", other],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        depends = any(
            word in answer.stdout for word in ('"backing-filename"', '"data-file":', '"encrypted"')
        )
        try:
            disk_facts(other)
        except UnusableInput:
            continue
        if depends or answer.returncode:
            wrong.append((backing, length, crypt, features))
    assert not wrong
