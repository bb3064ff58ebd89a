"""Names of guests, packages and archives: none becomes a local path outside of its folder."""

from __future__ import annotations

import stat
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings

from core.errors import KollarmError
from core.untrusted_names import UnsafeNameError
from guestprep.apply.module_tree import ModuleTree
from guestprep.apply.new_files import NewFiles
from guestprep.apply.packages import add_packages
from guestprep.archive.deb import open_deb
from guestprep.archive.fetch import Fetcher
from guestprep.archive.index import PackageIndex
from guestprep.inspect.collect import path_below
from guestprep.parse.cpio import Member, clean_name, write_archive
from guestprep.parse.initramfs import InitramfsReader
from guestprep.parse.modules import is_kernel_version, module_place, parse_dep
from tests.support.guest_facts import a_package
from tests.support.hostile_names import NAMES, UP, deb_of, nothing_appears

VERSION = "6.1.0-1-arm64"
CONTROL = "Package: linux-modules-x\nVersion: 1\nArchitecture: arm64\n"


@given(NAMES)
def test_a_clean_name_stays_below_the_root(name: str) -> None:
    try:
        found = clean_name(name)
    except UnsafeNameError:
        return
    assert not found.startswith("/") and "\0" not in found
    assert not {"..", "."} & set(found.split("/"))


@given(NAMES)
def test_a_boot_entrys_paths_stay_on_its_file_system(name: str) -> None:
    try:
        found = path_below("/boot", name)
    except UnsafeNameError:
        return
    assert found.startswith("/boot/") and ".." not in found.split("/")


@pytest.mark.parametrize("name", ["../x", "/../x", "a/../../x", "..", "/a/..", "//../x"])
def test_a_boot_entry_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(UnsafeNameError, match="boot entry"):
        path_below("/boot", name)


@given(NAMES)
def test_modules_dep_has_names_of_its_own_folder_only(name: str) -> None:
    try:
        found = parse_dep(f"{name}: {name}\na.ko: {name}\n")
    except UnsafeNameError:
        return
    for path in [*found, *(word for words in found.values() for word in words)]:
        assert not path.startswith("/") and ".." not in path.split("/")


@pytest.mark.parametrize(
    "line", ["../x.ko:", "/x.ko.xz:", "a.ko: ../x.ko", "a.ko: /x.ko", "a/../b.ko:"]
)
def test_modules_dep_that_leads_out_is_refused(line: str) -> None:
    with pytest.raises(UnsafeNameError, match=r"modules\.dep"):
        parse_dep(f"good.ko:\n{line}\n")


@pytest.mark.parametrize(
    "version",
    ["..", ".", "-n", "--version", "-o..", "6", "", "6.1 x", "6.1\n", "6." + "1" * 70],
)
def test_what_is_no_version_of_a_kernel(version: str) -> None:
    assert not is_kernel_version(version)
    assert module_place(f"lib/modules/{version}/x.ko") is None


@pytest.mark.parametrize(
    "version", ["4.15.0-99-generic", "6.1.0-9-cloud-arm64", "7.0.0~rc3+1-arm64", "3.2", "5.10.0_x"]
)
def test_versions_of_kernels(version: str) -> None:
    assert is_kernel_version(version)
    assert module_place(f"usr/lib/modules/{version}/a/x.ko") == (version, "a/x.ko")


@settings(deadline=None)
@given(NAMES)
def test_a_tree_of_modules_keeps_what_it_gets(name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="kollarm-test-") as place:
        outside = Path(place)
        tree = ModuleTree(outside / "base", VERSION)
        with nothing_appears(outside / "base" / "lib"):
            pass
        try:
            tree.add(name, b"content")
            assert name in tree
        except UnsafeNameError:
            pass
        assert [path.name for path in outside.iterdir()] == ["base"]
        found = {path for path in outside.rglob("*") if path.is_file()}
        assert all(path.is_relative_to(outside / "base/lib/modules" / VERSION) for path in found)


def test_a_tree_of_modules_takes_names_that_exclude_each_other(tmp_path: Path) -> None:
    tree = ModuleTree(tmp_path / "base", VERSION)
    tree.add("a.ko", b"1")
    tree.add("a.ko", b"2")
    assert tree.text("a.ko") == "2"
    with pytest.raises(UnsafeNameError, match="can't be stored"):
        tree.add("a.ko/b.ko", b"3")
    tree.add("c.ko/d.ko", b"4")
    with pytest.raises(UnsafeNameError, match="can't be stored"):
        tree.add("c.ko", b"5")


def test_a_tree_of_modules_never_writes_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("the host's")
    tree = ModuleTree(tmp_path / "base", VERSION)
    folder = tmp_path / "base/lib/modules" / VERSION
    (folder / "up").symlink_to(outside)
    (folder / "a.ko").symlink_to(outside / "file")
    (folder / "hard.ko").hardlink_to(outside / "file")
    with nothing_appears(outside):
        for name in ("up/x.ko", "a.ko"):
            with pytest.raises(UnsafeNameError, match="leads out"):
                tree.add(name, b"x")
        tree.add("hard.ko", b"x")


@pytest.mark.parametrize("name", [f"lib/modules/{VERSION}/{UP}x.ko", "..", "a/../../b", "a\0b"])
def test_an_initramfs_with_a_name_that_leads_out(tmp_path: Path, name: str) -> None:
    copy = tmp_path / "initrd"
    copy.write_bytes(write_archive([Member(name, stat.S_IFREG | 0o644, 1, b"x")]))
    reader = InitramfsReader(copy)
    assert list(reader.members(lambda name: True)) == []
    assert reader.fault is not None and "leads out" in reader.fault


def test_the_kernel_takes_names_from_the_root(tmp_path: Path) -> None:
    copy = tmp_path / "initrd"
    names = ["/etc/x", "./etc//y", ".", "/"]
    copy.write_bytes(write_archive([Member(name, stat.S_IFREG | 0o644, 0, b"") for name in names]))
    found = [member.name for member in InitramfsReader(copy).members(lambda name: False)]
    assert found == ["etc/x", "etc/y", "", ""]


@settings(deadline=None, max_examples=60)
@given(NAMES)
def test_packages_add_nothing_outside(name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="kollarm-test-") as place:
        base = Path(place)
        (base / "local").mkdir()
        files = {f"lib/modules/{VERSION}/{name}.ko": b"\x7fELF", f"./{name}": b"y"}
        try:
            deb = open_deb(deb_of(base / "x.deb", CONTROL, files))
            with closing(NewFiles(base / "new.tar")) as new:
                done = add_packages([(a_package("linux-modules-x"), deb)], new, base / "local")
            tree = ModuleTree(base / "tree", VERSION)
            for path, local in done.modules.get(VERSION, {}).items():
                tree.add(path, local)
        except KollarmError:
            pass
        else:
            with tarfile.open(base / "new.tar") as tar:
                assert not [path for path in tar.getnames() if ".." in path.split("/")]
        assert {path.name for path in base.iterdir()} <= {"local", "x.deb", "new.tar", "tree"}
        assert all(path.name.isdecimal() for path in (base / "local").iterdir())


@pytest.mark.parametrize("name", ["../postinst", "/..", "a/b", "post\0inst"])
def test_a_package_with_a_hostile_control_file(tmp_path: Path, name: str) -> None:
    path = deb_of(tmp_path / "x.deb", CONTROL, {}, **{name: b"x"})
    if "\0" in name:  # tar ends a name there
        assert set(open_deb(path).info) == {"post"}
        return
    with pytest.raises(KollarmError):
        open_deb(path)


def test_a_header_of_tar_that_renames_a_file_is_left_out(tmp_path: Path) -> None:
    with closing(NewFiles(tmp_path / "new.tar")) as new:
        entry = tarfile.TarInfo("etc/x")
        entry.pax_headers = {"path": "../../etc/shadow"}
        new.add_member(entry, None)
    with tarfile.open(tmp_path / "new.tar") as tar:
        assert tar.getnames() == ["etc/x"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Package", "../x"),
        ("Package", "-x"),
        ("Package", "a/b"),
        ("Filename", "../../etc/passwd"),
        ("Filename", "/etc/passwd"),
    ],
)
def test_an_index_with_a_hostile_entry(field: str, value: str) -> None:
    fields = {"Package": "bash", "Version": "1", "Architecture": "arm64", "Filename": "pool/b.deb"}
    fields |= {"SHA256": "ab" * 32, "Size": "1", field: value}
    text = "".join(f"{key}: {entry}\n" for key, entry in fields.items())
    assert not list(PackageIndex(text, "http://a.example", "arm64").packages(fields["Package"]))


def test_an_archive_is_asked_for_its_own_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "archive").mkdir()
    (tmp_path / "secret").write_text("x")
    fetcher = Fetcher(f"file://{tmp_path}/archive")
    with pytest.raises(UnsafeNameError):
        fetcher.small("../secret")
    with pytest.raises(UnsafeNameError):
        fetcher.cached(("../secret",), "ab" * 32, 1)
    with pytest.raises(KollarmError, match="SHA256"):
        fetcher.cached(("x",), f"{UP}{tmp_path}/made", 1)
    assert not (tmp_path / "made").exists()
