"""What the doctor makes of what it sees, each with its remedy."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from builder.engines.protocol import EngineInfo
from core.config.model import (
    Architecture,
    BaseImage,
    Bootstrap,
    Build,
    Config,
    Guest,
    GuestSource,
    Registry,
)
from core.paths import project_dir
from guestprep.appliance import acceleration
from kollarm.doctor import clock, engines, machine, space
from kollarm.doctor.fix import fix
from kollarm.doctor.model import DoctorFinding, DoctorReport, Fix, Level, good, missing

ARM = Architecture.AARCH64

HANDLER = "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: {}\noffset 0\n"


@pytest.mark.parametrize(
    ("content", "words", "level"),
    [
        (None, "no handler", Level.MISSING),
        (HANDLER.format("OCF").replace("enabled", "disabled"), "is disabled", Level.MISSING),
        (HANDLER.format("OC"), "the flag F", Level.MISSING),
        (HANDLER.format("POCF"), "run by emulation (/usr/bin/qemu-aarch64-static)", Level.GOOD),
    ],
)
def test_handlers_of_foreign_programs(
    tmp_path: Path, content: str | None, words: str, level: Level
) -> None:
    (tmp_path / "status").write_text("enabled\n")
    if content is not None:
        (tmp_path / "qemu-aarch64").write_text(content)
    found = engines.foreign(ARM, tmp_path)
    assert words in found.text
    assert found.level is level
    assert (found.remedy is None) is (level is Level.GOOD)


@pytest.mark.parametrize(
    ("status", "interpreter", "level"),
    [(0, False, Level.GOOD), (1, False, Level.MISSING), (0, True, Level.MISSING)],
)
def test_handlers_that_a_container_does_not_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, interpreter: bool, level: Level
) -> None:
    programs = {"arch-test": status} | ({"qemu-aarch64-static": 0} if interpreter else {})
    for name, ending in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {ending}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = engines.foreign(ARM, tmp_path / "no-binfmt")
    assert found.level is level
    assert found.remedy is None or "container" in found.remedy


@pytest.mark.parametrize(
    ("present", "known", "works", "words"),
    [
        (False, False, False, "/dev/kvm"),
        (True, False, True, "works"),
        (True, False, False, "as this launch"),
        (True, True, False, "as an earlier launch"),
    ],
)
def test_kvm_is_judged_by_what_a_launch_made_of_it(
    present: bool, known: bool, works: bool, words: str
) -> None:
    found = machine.acceleration_finding(present=present, known=known, works=works)
    assert words in found.text
    assert (found.level is Level.GOOD) is works


@pytest.mark.parametrize(
    ("architecture", "there", "mode", "words"),
    [
        ("x86_64", True, 0o666, "x86_64"),
        ("aarch64", False, 0, "there is no"),
        ("aarch64", True, 0, "may not use"),
        ("aarch64", True, 0o666, "does not work"),
    ],
)
def test_why_arm_guests_boot_by_emulation(
    architecture: str,
    there: bool,
    mode: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = tmp_path / "kvm"
    if there:
        device.touch()
    monkeypatch.setattr(acceleration, "DEVICE", device)
    monkeypatch.setattr(os, "access", lambda *_: bool(mode))  # root may open everything
    found = machine.emulated_boot(architecture)
    assert words in found.text
    assert (found.remedy is not None) is (words == "may not use")


def test_a_present_a_missing_and_an_unreadable_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SUPERMIN_KERNEL", raising=False)
    found = machine.kernel(tmp_path)
    assert found.level is Level.MISSING and found.fix is not None and found.fix.packages
    image = tmp_path / "vmlinuz-6.1"
    image.write_text("")
    assert machine.kernel(tmp_path).level is Level.GOOD
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read everything
    found = machine.kernel(tmp_path)
    assert found.remedy == f"sudo chmod a+r {image}"


def test_needs_that_share_a_disk_are_added_up(tmp_path: Path) -> None:
    needs = [
        space.Need("cache", tmp_path, 3 << 30),
        space.Need("guest x", tmp_path / "not" / "there", 2 << 30),
    ]
    assert space.judge(needs, 6 << 30).level is Level.GOOD
    found = space.judge(needs, 4 << 30)
    assert found.level is Level.MISSING
    assert "4.0 GiB free, about 5.0 GiB needed (cache 3.0 GiB, guest x 2.0 GiB)" in found.text
    assert found.remedy is not None and "1.5 GiB more" in found.remedy


def test_a_guests_source_is_measured(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"x" * 1000)
    guest = Guest(name="g", source=GuestSource(path=tmp_path / "image"))
    assert space.source_size(guest) == 1000
    absent = Guest(name="g", source=GuestSource(path=tmp_path / "absent"))
    assert space.source_size(absent) == space.SOURCE


@pytest.mark.parametrize(
    ("ahead", "level", "words"),
    [
        (0.3, Level.GOOD, "within 1 s"),
        (-59.0, Level.GOOD, "within 59 s"),
        (86400.0, Level.MISSING, "24 hours ahead of"),
        (-400 * 86400.0, Level.MISSING, "400 days behind"),
        (-61.0, Level.MISSING, "1 min 01 s behind"),
    ],
)
def test_a_wrong_clock_is_noticed(ahead: float, level: Level, words: str) -> None:
    found = clock.judge(ahead, "http://a.example/x")
    assert found.level is level
    assert words in found.text


@pytest.mark.parametrize(
    ("version", "podman", "oldest"), [("19.03.15", False, "20.10"), ("3.4.4", True, "4.3")]
)
def test_an_engine_that_is_too_old(
    version: str, podman: bool, oldest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Old:
        def __init__(self, url: str, tls: Path | None):
            self.url = url

        def info(self) -> EngineInfo:
            return EngineInfo(version, "arm64", "", podman)

    monkeypatch.setattr(engines, "DockerEngine", Old)
    build = Build(engines={ARM: Build().engines[ARM]})
    found = list(engines.engines(Config(build=build)))
    assert [finding.level for finding in found] == [Level.MISSING]
    assert version in found[0].text and oldest in (found[0].remedy or "")
    assert ("Podman" in found[0].text) is podman


def test_only_the_tools_of_what_is_wanted_are_looked_for() -> None:
    def commands(config: Config) -> set[str]:
        return {*machine.required_tools(config)}

    assert commands(Config(registry=Registry())) == {"git"}
    base = BaseImage(bootstrap=Bootstrap(suite="trixie"))
    guest = Guest(name="g", source=GuestSource(path=Path("x")), boot="none")
    assert "mmdebstrap" in commands(Config(build=Build(base=base)))
    assert "tesseract" not in commands(Config(guests=[guest]))
    assert "qemu-img" in commands(Config(guests=[guest]))


def test_every_package_that_fix_installs_is_one_that_setup_knows() -> None:
    known = (project_dir() / "scripts" / "setup-packages").read_text()
    groups = [getattr(machine, name) for name in dir(machine) if name.endswith("_TOOLS")]
    always = {"util-linux", "openssh-client"}  # of every installation, or of the one who asks
    for package in (package for group in groups for package in group.values()):
        assert package in always or re.search(rf"\b{re.escape(package)}\b", known)


def test_the_verdict_counts_what_fix_can_do() -> None:
    easy = missing("a", "isn't installed", "install it", Fix(packages=("x",)))
    hard = missing("b", "is gone", "find it")
    assert "--fix" not in DoctorReport((good("a", "fine"),)).verdict
    assert DoctorReport((hard,)).verdict == "1 problem found"
    assert DoctorReport((easy,)).verdict.endswith("--fix' to fix it")
    assert DoctorReport((easy, easy)).verdict.startswith("2 problems found")
    assert DoctorReport((easy, hard)).verdict.endswith("to fix 1 of them")
    lines = DoctorReport((good("a", "fine"), hard)).to_text().splitlines()
    assert lines[:3] == ["ok       a  fine", "missing  b  is gone", "            → find it"]


def test_fix_runs_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    done = Fix(command=("touch", str(tmp_path / "fixed")))
    fix(DoctorReport((DoctorFinding("a", Level.MISSING, "text", "remedy", done),)))
    assert (tmp_path / "fixed").exists()
