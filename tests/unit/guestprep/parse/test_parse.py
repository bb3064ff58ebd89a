"""Parsers of what guests contain: right on what is usual, never failing on anything."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guestprep.parse import grub, modules, text
from guestprep.parse.compression import Compression, compress
from guestprep.parse.cpio import Member, write_archive
from guestprep.parse.dpkg import parse_status
from guestprep.parse.initramfs import InitramfsReader, link_targets, resolve
from guestprep.parse.relation import Alternative, compare, parse_relations
from guestprep.source.checksum import parse_sums
from guestprep.source.qcow2 import parse_header

WRITABLE = [entry for entry in Compression if entry is not Compression.LZO]

# -- anything at all ------------------------------------------------------------


@given(st.text())
def test_text_parsers_take_anything(content: str) -> None:
    text.os_release(content)
    text.fstab(content)
    text.kernel_config(content)
    text.word_lines(content)
    grub.entries(content)
    modules.parse_index(content, content, content)
    parse_sums(content)
    parse_status(content)


@given(st.binary())
def test_bytes_survive_decoding(content: bytes) -> None:
    assert text.encode(text.decode(content)) == content


@given(st.binary(max_size=200))
def test_qcow2_header_takes_anything(content: bytes) -> None:
    parse_header(content)
    parse_header(b"QFI\xfb" + content)


@given(
    head=st.sampled_from(
        [
            b"",
            b"070701",
            b"\x1f\x8b\x08",
            b"\x28\xb5\x2f\xfd",
            b"\x02!L\x18",
            b"\xfd7zXZ\x00",
            b"]\x00\x00",
            b"BZh9",
        ]
    ),
    rest=st.binary(max_size=300),
)
def test_initramfs_reader_takes_anything(
    tmp_path_factory: pytest.TempPathFactory, head: bytes, rest: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "file"
    path.write_bytes(head + rest)
    list(InitramfsReader(path).members(lambda name: True))


# -- small texts ----------------------------------------------------------------


def test_os_release() -> None:
    found = text.os_release('ID=ubuntu\nVERSION_ID="18.04"\n# ID=no\nPRETTY_NAME=\'A b\'\nBAD="x\n')
    assert found == {"ID": "ubuntu", "VERSION_ID": "18.04", "PRETTY_NAME": "A b"}


def test_fstab() -> None:
    mounts = text.fstab(
        "# a comment with words\nLABEL=BOOT /boot ext4 defaults,ro 0 2\nx none swap\n"
    )
    assert mounts == (text.FstabEntry("LABEL=BOOT", "/boot", "ext4", ("defaults", "ro")),)


def test_versions_are_compared_as_dpkg_does() -> None:
    assert compare("4.15.0-99.100", ">>", "4.15.0-99.99")
    assert compare("1.0~rc1", "<<", "1.0")
    assert not compare("not:a:version", ">=", "1")


def test_relations_keep_what_is_meant_for_the_architecture() -> None:
    found = parse_relations("a (>= 1) | b [amd64], c [!arm64], d [arm64]", "arm64")
    assert found == ((Alternative("a", ">=", "1"),), (Alternative("d"),))


# -- modules --------------------------------------------------------------------


def test_closure_follows_hard_and_soft_dependencies() -> None:
    index = modules.parse_index(
        "kernel/virtio-gpu.ko.zst: kernel/drm.ko.zst\nkernel/drm.ko.zst:\n"
        "kernel/crc32c_generic.ko.zst:\nkernel/other.ko.zst:\n",
        "kernel/virtio_dma_buf.ko\n",
        "softdep virtio_gpu pre: crc32c-generic absent\n",
    )
    assert index.closure(["virtio-gpu", "virtio_dma_buf"]) == (
        "kernel/crc32c_generic.ko.zst",
        "kernel/drm.ko.zst",
        "kernel/virtio-gpu.ko.zst",
    )
    assert index.builtin == {"virtio_dma_buf"}


def test_closure_ends_on_circles() -> None:
    index = modules.parse_index(
        "a.ko: b.ko\nb.ko: a.ko\n", "", "softdep a pre: b\nsoftdep b pre: a\n"
    )
    assert index.closure(["a"]) == ("a.ko", "b.ko")


# -- initramfs ------------------------------------------------------------------


def _read(path: Path) -> tuple[dict[str, Member], InitramfsReader]:
    reader = InitramfsReader(path)
    return {member.name: member for member in reader.members(lambda name: True)}, reader


@pytest.mark.parametrize("compression", WRITABLE)
def test_an_appended_segment_wins(tmp_path: Path, compression: Compression) -> None:
    first = write_archive([Member("early", stat.S_IFREG | 0o644, 1, b"1")])
    old = write_archive(
        [
            Member("lib", stat.S_IFLNK | 0o777, 7, b"usr/lib"),
            Member("usr/lib/x", stat.S_IFREG | 0o644, 3, b"old"),
        ]
    )
    new = write_archive([Member("usr/lib/x", stat.S_IFREG | 0o644, 3, b"new")])
    path = tmp_path / "initrd"
    path.write_bytes(first + compress(old, compression) + compress(new, compression))
    found, reader = _read(path)
    assert reader.fault is None
    assert found["usr/lib/x"].data == b"new"
    assert found["early"].data == b"1"
    assert (
        reader.segments[-1].end
        == path.stat().st_size
        - (len(new) - len(new.rstrip(b"\0")) if compression is Compression.NONE else 0)
        or compression is Compression.NONE
    )
    assert resolve("lib/x", link_targets(found)) == "usr/lib/x"


def test_the_same_members_give_the_same_bytes() -> None:
    entries = [Member("a", stat.S_IFREG | 0o644, 1, b"1")]
    for compression in WRITABLE:
        assert compress(write_archive(entries), compression) == compress(
            write_archive(entries), compression
        )


@pytest.mark.parametrize("compression", WRITABLE)
def test_a_cut_initramfs_is_noticed(tmp_path: Path, compression: Compression) -> None:
    content = bytes(range(256)) * 40
    whole = compress(write_archive([Member("a", stat.S_IFREG, len(content), content)]), compression)
    path = tmp_path / "initrd"
    path.write_bytes(whole[: len(whole) // 2])
    _, reader = _read(path)
    assert reader.fault


@given(st.dictionaries(st.text("abc/", min_size=1, max_size=8), st.text("abc/.", max_size=6)))
def test_resolving_ends_on_loops(links: dict[str, str]) -> None:
    resolve("a/b/c", links)


# -- grub -----------------------------------------------------------------------

MENU = """\
menuentry 'Ubuntu' --class x {
\tlinux\t/boot/vmlinuz-5.4.0-1-generic root=LABEL=r ro  console=tty1 nomodeset console=ttyS0 $vt
\tinitrd\t/boot/initrd.img-5.4.0-1-generic
}
menuentry "Rescue" {
  linux /boot/vmlinuz-5.4.0-1-generic root=LABEL=r ro recovery nomodeset
}
"""
CONSOLES = ("ttyAMA0,115200", "tty1")


def test_entries() -> None:
    first, rescue = grub.entries(MENU)
    assert first.title == "Ubuntu"
    assert first.version == "5.4.0-1-generic"
    assert first.consoles == ("tty1", "ttyS0")
    assert first.blanking == ("nomodeset",)
    assert first.initrd == ("/boot/initrd.img-5.4.0-1-generic",)
    assert rescue.rescue and not rescue.initrd


def test_rewrite_changes_usual_entries_only_and_once() -> None:
    changed = grub.rewrite(MENU, CONSOLES)
    assert (
        "\tlinux\t/boot/vmlinuz-5.4.0-1-generic root=LABEL=r ro "
        "console=ttyAMA0,115200 console=tty1 $vt\n"
    ) in changed
    assert "ro recovery nomodeset\n" in changed
    assert grub.rewrite(changed, CONSOLES) == changed


@given(st.lists(st.sampled_from(["ro", "console=tty1", "nomodeset", "$x", "a=b", 'c="d e"'])))
def test_requested_words_keep_the_other_words_in_their_order(words: list[str]) -> None:
    result = grub.requested_words(words, CONSOLES)
    assert grub.consoles(result) == CONSOLES
    kept = [word for word in words if not word.startswith("console=") and word != "nomodeset"]
    assert [word for word in result if not word.startswith("console=")] == kept


# -- the rest -------------------------------------------------------------------


def test_sha256sums_knows_both_forms_and_no_contradictions() -> None:
    a, b = "a" * 64, "b" * 64
    found = parse_sums(f"{a}  one\n{b} *two\n{a}  three\n{b}  three\n")
    assert found == {"one": a, "two": b}


@pytest.mark.parametrize("character", ["\v", "\f", "\r", "\x1c", "\x85", "\u2028"])
def test_only_a_newline_ends_a_line_of_dpkgs(character: str) -> None:
    """Found by damaged input: these end a line for Python."""
    text = f"Package: bash\nStatus: install ok installed\nVersion: 1\n{character}Provides: sh\n"
    assert len(parse_status(text).packages) == 1
    assert len(parse_status(text.replace("1\n", f"1{character}{character}x\n")).packages) == 1
