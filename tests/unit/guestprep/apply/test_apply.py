"""Composing what goes into a guest: indices, initramfs segments, dpkg's records."""

from __future__ import annotations

import re
import subprocess
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from guestprep.apply.depmod import depmod
from guestprep.apply.initramfs_segment import build_segment
from guestprep.apply.kernel_removal import dpkg_record_paths, package_paths, remove_paragraphs
from guestprep.apply.maintainer_scripts import unknown_effects
from guestprep.apply.module_stubs import INDEX_TEXTS, stubs
from guestprep.apply.module_tree import ModuleTree
from guestprep.apply.new_files import NewFiles
from guestprep.apply.new_initramfs import derive_initramfs
from guestprep.apply.packages import add_packages, extended_states, status_paragraph
from guestprep.archive.deb import open_deb
from guestprep.facts import InitramfsKind
from guestprep.inspect.initramfs import read_initramfs
from guestprep.parse import grub
from guestprep.parse.compression import Compression, decompress
from guestprep.parse.cpio import Member, write_archive
from guestprep.parse.dpkg import fields_of, parse_status
from guestprep.parse.initramfs import InitramfsReader
from guestprep.parse.modules import parse_dep, parse_index
from tests.support import guest_disks, synthetic
from tests.support.guest_facts import a_package

VERSION = guest_disks.VERSION
MODULES = synthetic.BASIC | synthetic.GRAPHICS


def tree(base: Path, files: dict[str, bytes], version: str = VERSION) -> Path:
    folder = base / "lib" / "modules" / version
    synthetic.write_tree(folder, files | {"modules.builtin": b"", "modules.order": b""})
    return folder


def read(path: Path) -> dict[str, Member]:
    return {member.name: member for member in InitramfsReader(path).members(lambda name: True)}


def test_stand_ins_are_indexed_like_the_modules_they_stand_for(tmp_path: Path) -> None:
    tree(tmp_path / "real", MODULES)
    real = depmod(tmp_path / "real", VERSION)
    texts = {name: real[name].decode() for name in INDEX_TEXTS}
    tree(tmp_path / "stand-in", stubs(texts))
    again = depmod(tmp_path / "stand-in", VERSION)
    for name in ("modules.alias", "modules.symbols", "modules.softdep", "modules.devname"):
        assert sorted(again[name].splitlines()) == sorted(real[name].splitlines())
    assert _needs(again) == _needs(real)


def test_new_modules_find_what_they_need_among_stand_ins(tmp_path: Path) -> None:
    tree(tmp_path / "old", dict(synthetic.BASIC))
    texts = {
        name: text.decode()
        for name, text in depmod(tmp_path / "old", VERSION).items()
        if name in INDEX_TEXTS
    }
    tree(tmp_path / "both", stubs(texts) | synthetic.GRAPHICS)
    tree(tmp_path / "real", MODULES)
    assert _needs(depmod(tmp_path / "both", VERSION)) == _needs(depmod(tmp_path / "real", VERSION))


def _needs(indices: dict[str, bytes]) -> dict[str, set[str]]:
    return {
        path: set(needed) for path, needed in parse_dep(indices["modules.dep"].decode()).items()
    }


@pytest.mark.parametrize("usr_merged", [False, True])
@pytest.mark.parametrize("compression", [entry for entry in Compression if entry != "lzo"])
def test_an_appended_segment_has_all_and_indexes_all(
    tmp_path: Path, compression: Compression, usr_merged: bool
) -> None:
    recipe = guest_disks.Recipe(usr_merged=usr_merged, compressions=(Compression.NONE, compression))
    copy = tmp_path / "initrd"
    copy.write_bytes(guest_disks.initramfs(recipe))
    folder = tree(tmp_path / "guest", MODULES)
    indices = depmod(tmp_path / "guest", VERSION)
    index = parse_index(indices["modules.dep"].decode(), "", indices["modules.softdep"].decode())
    work = tmp_path / "work"
    work.mkdir()
    segment = build_segment(
        copy,
        VERSION,
        kind=InitramfsKind.INITRAMFS_TOOLS,
        wanted=index.closure(["virtio_gpu"]),
        read_module=lambda path: (folder / path).read_bytes(),
        inputs={"modules.builtin": b""},
        load=["virtio_gpu"],
        work=work,
    )
    before = read(copy)
    content = copy.read_bytes()
    copy.write_bytes(content[: segment.offset] + segment.data)
    after = read(copy)
    place = f"{'usr/' if usr_merged else ''}lib/modules/{VERSION}"
    assert set(segment.modules) == {"drm", "drm_kms_helper", "soft_helper", "virtio_gpu"}
    assert set(before) <= set(after)
    assert after["conf/modules"].data == b"# loaded first\nvirtio_gpu\n"
    dep = after[f"{place}/modules.dep"].data
    assert dep is not None
    indexed = set(parse_dep(dep.decode()))
    assert indexed == {name.removeprefix(f"{place}/") for name in after if name.endswith(".ko")}
    if usr_merged:  # the link must stand as it was
        assert after["lib"].data == b"usr/lib"
    # What the guest's own lsinitramfs reads such archives by.
    if compression in ("gzip", "zstd", "xz", "lz4", "bzip2"):
        reader = InitramfsReader(copy)
        assert list(reader.members(lambda name: False))
        packed = copy.read_bytes()[reader.segments[1].start :]
        command = [compression, "-dc"]
        unpacked = subprocess.run(command, input=packed, capture_output=True, check=False)
        assert (unpacked.returncode, unpacked.stderr) == (0, b"")
        assert b"/modules.dep.bin" in unpacked.stdout


def test_dracut_loads_the_driver_as_one_of_its_own(tmp_path: Path) -> None:
    """It takes systemd-modules-load along only where something asks for that."""
    copy = tmp_path / "initrd.img"
    copy.write_bytes(guest_disks.initramfs(guest_disks.Recipe(dracut=True)))
    folder = tree(tmp_path / "guest", MODULES)
    work = tmp_path / "work"
    work.mkdir()
    segment = build_segment(
        copy,
        VERSION,
        kind=InitramfsKind.DRACUT,
        wanted=["kernel/drivers/gpu/drm/virtio/virtio-gpu.ko"],
        read_module=lambda path: (folder / path).read_bytes(),
        inputs={},
        load=["virtio_gpu"],
        work=work,
    )
    copy.write_bytes(copy.read_bytes()[: segment.offset] + segment.data)
    assert read_initramfs(copy, "/boot/initrd.img", VERSION).loads == ("virtio_gpu",)
    assert read(copy)["etc/cmdline.d/99-kollarm.conf"].data == b"rd.driver.pre=virtio_gpu\n"


@pytest.mark.parametrize(
    ("names", "loads"),
    [
        (("etc/modules-load.d/a.conf",), ()),
        (("etc/modules-load.d/a.conf", "usr/lib/systemd/systemd-modules-load"), ("a",)),
        (("etc/cmdline.d/20-force_drivers.conf",), ("b", "c_d")),
        (("etc/cmdline.d/20-force_drivers.conf~",), ()),
    ],
)
def test_what_an_initramfs_loads(
    names: tuple[str, ...], loads: tuple[str, ...], tmp_path: Path
) -> None:
    content = {"etc/mod": b"a\n", "etc/cmd": b"rd.driver.pre=b,c-d rd.luks=0\n"}
    copy = tmp_path / "initrd.img"
    members = [
        Member(name, 0o100644, len(data := content.get(name[:7], b"")), data) for name in names
    ]
    copy.write_bytes(write_archive(members))
    assert read_initramfs(copy, "/boot/initrd.img", VERSION).loads == loads


def test_another_kernels_initramfs_keeps_all_but_the_modules(tmp_path: Path) -> None:
    recipe = guest_disks.Recipe(compressions=(Compression.NONE, Compression.ZSTD))
    copy = tmp_path / "initrd"
    copy.write_bytes(guest_disks.initramfs(recipe))
    new = "6.1.0-1-arm64"
    modules = ModuleTree(tmp_path / "new", new)
    for name, content in MODULES.items():
        modules.add(name, content)
    indices = modules.index()
    index = parse_index(indices["modules.dep"].decode(), "", indices["modules.softdep"].decode())
    wanted = index.closure(["virtio", "gone", "other", "virtio_gpu"])
    work = tmp_path / "work"
    work.mkdir()
    made = derive_initramfs(
        copy,
        kind=InitramfsKind.INITRAMFS_TOOLS,
        old=VERSION,
        new=new,
        wanted=wanted,
        tree=modules,
        load=["virtio_gpu"],
        work=work,
    )
    before, after = read(copy), read(made)
    assert not [name for name in after if VERSION in name]
    assert {name for name in before if VERSION not in name} <= set(after)
    there = {name for name in after if name.endswith(".ko")}
    assert there == {f"lib/modules/{new}/{path}" for path in wanted}
    # lsinitramfs reads one archive.
    plain = decompress(made.read_bytes(), Compression.ZSTD, at_most=1 << 24)
    assert plain.count(b"TRAILER!!!") == 1
    assert after["conf/modules"].data == b"# loaded first\nvirtio_gpu\n"


def test_packages_are_placed_below_usr_on_a_merged_system(tmp_path: Path) -> None:
    made = guest_disks.archive(tmp_path / "archive")
    deb = open_deb(made.folder / "pool" / "extra.deb")
    fields = fields_of(deb.control)
    extra = a_package(fields["Package"], fields["Version"])
    path = tmp_path / "new.tar"
    local = tmp_path / "modules"
    local.mkdir()
    with closing(NewFiles(path, real_folder=lambda name: re.sub("^/lib", "/usr/lib", name))) as new:
        done = add_packages([(extra, deb)], new, local)
    with tarfile.open(path) as tar:
        names = tar.getnames()
        owners = {(entry.uid, entry.gid, entry.uname) for entry in tar}
    driver = "kernel/drivers/gpu/drm/drm.ko"
    module = f"lib/modules/{VERSION}/{driver}"
    assert f"usr/{module}" in names and module not in names
    assert driver in done.modules[VERSION]
    assert f"var/lib/dpkg/info/{extra.name}.list" in names
    assert f"var/lib/dpkg/info/{extra.name}.md5sums" in names
    assert owners == {(0, 0, "")}
    status = parse_status(done.stanzas[0])
    assert status.installed(extra.name) is not None


def test_scripts_without_effect_are_left_out() -> None:
    helper = (
        b"#!/bin/sh\nset -e\n# Automatically added by dh_installdeb/13\n"
        b'dpkg-maintscript-helper rm_conffile /etc/x 1.0 -- "$@"\n# End\nexit 0\n'
    )
    assert unknown_effects("some-data", {"preinst": helper}) == ()
    assert unknown_effects("some-data", {"postinst": b"#!/bin/sh\nuseradd x\n"}) == ("postinst",)
    assert unknown_effects("linux-modules-extra-1", {"postinst": b"depmod -a\n"}) == ()


def test_records_of_a_removed_kernel() -> None:
    listed = (
        "/.\n/boot\n/boot/vmlinuz-1-x\n/lib\n/lib/modules\n/lib/modules/1-x\n/lib/modules/1-x/a.ko\n"
        "/usr\n/usr/share\n/usr/share/doc\n/usr/share/doc/linux-image-1-x\n"
        "/usr/share/doc/linux-image-1-x/copyright\n"
    )
    assert package_paths(listed, ["1-x"]) == [
        "/boot/vmlinuz-1-x",
        "/usr/share/doc/linux-image-1-x/copyright",
    ]
    names = ["linux-image-1-x.list", "linux-image-1-x-dbg.list", "linux-image-1-x:arm64.md5sums"]
    assert dpkg_record_paths("linux-image-1-x", names) == [
        "/var/lib/dpkg/info/linux-image-1-x.list",
        "/var/lib/dpkg/info/linux-image-1-x:arm64.md5sums",
    ]
    status = "Package: a\nX: 1\n\nPackage: b\nX: 2\n\nPackage: bb\nX: 3\n"
    assert remove_paragraphs(status, ["b"]) == "Package: a\nX: 1\n\nPackage: bb\nX: 3\n"


def test_another_kernel_is_named_wherever_the_old_one_was() -> None:
    text = (
        "menuentry 'Debian' 'gnulinux-6.1.0-9-cloud-arm64-advanced-UUID' {\n"
        "  linux /boot/vmlinuz-6.1.0-9-cloud-arm64 ro\n"
        "  initrd /boot/initrd.img-6.1.0-9-cloud-arm64\n}\n"
    )
    changed = grub.rewrite(text, ["tty1"], {"6.1.0-9-cloud-arm64": "6.1.0-9-arm64"})
    assert "cloud" not in changed
    assert "linux /boot/vmlinuz-6.1.0-9-arm64 ro console=tty1\n" in changed
    assert "gnulinux-6.1.0-9-arm64-advanced-UUID" in changed


def test_small_texts(tmp_path: Path) -> None:
    assert extended_states("Package: a\n", ["b"], "arm64") == (
        "Package: a\n\nPackage: b\nArchitecture: arm64\nAuto-Installed: 1\n\n"
    )
    control = {
        "Package": "c",
        "Version": "1",
        "Architecture": "all",
        "Maintainer": "x <x@y>",
        "Description": "x",
    }
    path = synthetic.deb(tmp_path / "c.deb", control, {"etc/c": b"1"}, {"conffiles": "/etc/c\n"})
    text = status_paragraph(open_deb(path), {"etc/c": "c4ca"})
    assert text.startswith("Package: c\nStatus: install ok installed\n")
    assert text.endswith("Conffiles:\n /etc/c c4ca\n")


def test_the_agents_scripts_may_be_left_out() -> None:
    script = {"postinst": b"#!/bin/sh\ndeb-systemd-helper enable qemu-guest-agent.service\n"}
    assert unknown_effects("qemu-guest-agent", script) == ()
    assert unknown_effects("libglib2.0-0t64", script) == ()
    assert unknown_effects("other-agent", script) == ("postinst",)
