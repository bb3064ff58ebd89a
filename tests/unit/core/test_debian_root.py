"""Bootstrapping roots: what mmdebstrap is asked for, and what becomes of its failure."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from core import debian_root
from core.config.model import Architecture
from core.debian_root import (
    RootArchive,
    ScriptEnvironment,
    first_fault,
    remedy,
    root_tarball,
)
from core.errors import CommandError, KollarmError
from core.run import run
from tests.support import synthetic

TRIXIE = RootArchive("trixie")

#: Writes its arguments beside itself, and the file that mmdebstrap would make.
RECORDER = """\
#!/usr/bin/python3
import json, pathlib, sys
here = pathlib.Path(__file__).parent
calls = here / "calls.json"
known = json.loads(calls.read_text()) if calls.exists() else []
calls.write_text(json.dumps([*known, sys.argv[1:]]))
pathlib.Path(sys.argv[-2]).write_bytes(b"tar")
sources = pathlib.Path(sys.argv[-1]).read_text()
(here / "sources").write_text(sources)
"""

FAILING = """\
#!/bin/sh
echo "I: running apt-get update..." >&2
echo "E: Unable to locate package nosuch" >&2
echo "E: apt-get failed" >&2
exit 25
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PATH for a stand-in for mmdebstrap, and a cache of its own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    return folder


def install(folder: Path, text: str) -> None:
    (folder / "mmdebstrap").write_text(text)
    (folder / "mmdebstrap").chmod(0o755)


def calls(folder: Path) -> list[list[str]]:
    found: list[list[str]] = json.loads((folder / "calls.json").read_text())
    return found


def test_native_root(command: Path) -> None:
    install(command, RECORDER)
    made = root_tarball(TRIXIE, Architecture.X86_64, ["curl", "adduser", "curl"])
    assert made.read_bytes() == b"tar"
    (argv,) = calls(command)
    assert "--architectures=amd64" in argv
    assert argv[-3] == "trixie"
    assert [word for word in argv if word in ("--include=curl", "--include=adduser")] == [
        "--include=adduser",
        "--include=curl",
    ]
    assert "--include=?essential" in argv
    check, hook = (word for word in argv if word.startswith("--extract-hook="))
    assert "Codename" in check
    assert "native" not in hook
    assert "trixie-security" in (command / "sources").read_text()


def test_the_second_time_it_comes_from_the_cache(command: Path) -> None:
    install(command, RECORDER)
    first = root_tarball(TRIXIE, Architecture.X86_64, ["a", "b"])
    assert root_tarball(TRIXIE, Architecture.X86_64, ["b", "a"]) == first
    assert len(calls(command)) == 1
    again = root_tarball(TRIXIE, Architecture.X86_64, ["b", "a"], refresh=True)
    assert first.exists()  # this process may be reading it
    assert root_tarball(TRIXIE, Architecture.X86_64, ["b", "a"]) == again != first
    assert len(calls(command)) == 2


def test_each_input_gives_another_entry(command: Path) -> None:
    install(command, RECORDER)
    mirror = "http://mirror.example/debian"
    made = {
        root_tarball(TRIXIE, Architecture.X86_64),
        root_tarball(RootArchive("bookworm"), Architecture.X86_64),
        root_tarball(TRIXIE, Architecture.X86_64, ["curl"]),
        root_tarball(RootArchive("trixie", mirror), Architecture.X86_64),
    }
    assert len(made) == 4


def test_failure_names_the_first_fault(command: Path) -> None:
    install(command, FAILING)
    with pytest.raises(KollarmError) as caught:
        root_tarball(TRIXIE, Architecture.X86_64, ["nosuch"])
    assert "Unable to locate package nosuch" in caught.value.message
    assert "trixie root for x86_64" in caught.value.message
    assert caught.value.hint
    assert not list((command.parent / "cache" / "root").glob("trixie*"))


def test_missing_mmdebstrap(command: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(command))
    with pytest.raises(CommandError, match="command not found"):
        root_tarball(TRIXIE, Architecture.X86_64)


def test_sources_are_signed() -> None:
    text = RootArchive("trixie", "http://m/debian/").sources()
    assert "URIs: http://m/debian-security\n" in text
    assert text.count(f"Signed-By: {debian_root.KEYRING}") == 2
    assert "Suites: trixie trixie-updates\n" in text


@pytest.mark.parametrize("check", [True, False])
def test_apt_takes_an_expired_archive_only_where_told(tmp_path: Path, check: bool) -> None:
    made = synthetic.signed_archive(tmp_path / "archive")
    made.sign(valid_until="Sat, 01 Jan 2022 00:00:00 UTC")
    root = RootArchive(made.suite, f"file:{made.folder}", check_valid_until=check)
    text = root.sources().partition("\n\n")[0].replace(f" {made.suite}-updates", "")
    sources = tmp_path / "made.sources"
    sources.write_text(text.replace(debian_root.KEYRING, str(made.keyring)) + "\n")
    (tmp_path / "state").mkdir()
    tried = run(
        ["apt-get", "update", "-o", "APT::Architecture=arm64", "-o", "APT::Sandbox::User=",
         "-o", "Acquire::Check-Date=true", "-o", "Acquire::Check-Valid-Until=true",
         "-o", f"Dir::Etc::SourceList={sources}", "-o", "Dir::Etc::SourceParts=/dev/null",
         "-o", f"Dir::State={tmp_path}/state", "-o", f"Dir::Cache={tmp_path}/cache"],
        check=False,
    )  # fmt: skip
    assert (tried.status == 0) is not check, tried.stderr
    if check:
        assert "check_valid_until" in remedy(first_fault(tried.stderr))


def test_snapshots_of_the_security_archive_have_their_date_last() -> None:
    stamp = "20250601T000000Z"
    archive = RootArchive("trixie", f"http://snapshot/archive/debian/{stamp}/")
    assert archive.security == f"http://snapshot/archive/debian-security/{stamp}"


def test_first_fault() -> None:
    assert first_fault("I: x\ndpkg: error processing package y\nE: z") == (
        "dpkg: error processing package y"
    )
    assert first_fault("nothing known") == "mmdebstrap failed"


def test_a_machine_without_user_namespaces_is_told_so() -> None:
    fault = first_fault("E: unable to pick chroot mode automatically (use --mode for manual …)")
    assert "user namespaces" in remedy(fault)
    assert "mirror" in remedy("Unable to locate package nosuch")


def test_stage_wraps_commands_only_for_a_foreign_root() -> None:
    assert ScriptEnvironment(Path("/s"), ()).around("/root") == []
    foreign = ScriptEnvironment(Path("/s"), ("/n", "x86_64-linux-gnu", "/lib64/ld.so"))
    assert foreign.around("/root") == [
        *("sh", "/s/with-native-tools.sh", "/root"),
        *("/n", "x86_64-linux-gnu", "/lib64/ld.so"),
    ]


RELEASES = {
    "http_deb.debian.org_debian_dists_trixie_InRelease": "Suite: stable\nCodename: trixie\n",
    "http_deb.debian.org_debian_dists_trixie-updates_InRelease": (
        "Suite: stable-updates\nCodename: trixie-updates\n"
    ),
    "http_x_debian-security_dists_buster_updates_InRelease": "Codename: buster/updates\n",
    "http_x_ubuntu_dists_noble-updates_Release": "Suite: noble-updates\nCodename: noble\n",
    "http_x_debian_dists_stable_InRelease": "Suite: stable\nCodename: trixie\n",
}


@pytest.mark.parametrize("another", [None, *RELEASES])
def test_another_release_under_the_suites_name(tmp_path: Path, another: str | None) -> None:
    lists = tmp_path / "var/lib/apt/lists"
    lists.mkdir(parents=True)
    others = {another: "Suite: oldstable\nCodename: bookworm\n"} if another else {}
    for name, text in (RELEASES | others).items():
        (lists / name).write_text(f"Origin: x\n{text}Date: y\n")
    (lists / "http_x_debian_dists_trixie_main_binary-amd64_Packages").touch()
    argv = ["sh", "-c", debian_root.SUITE_CHECK, "exec", str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, "bookworm" in done.stderr) == (int(bool(another)), bool(another))
    if another:
        assert "bookworm" in first_fault(done.stderr)
