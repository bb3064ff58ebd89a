"""The script that unpacks and configures a root, with commands that record how they are called."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from core.paths import project_dir

SCRIPT = project_dir() / "core" / "data" / "configure-root.sh"

#: Writes its name and arguments down; packages named "base" are essential.
RECORDER = """#!/usr/bin/python3
import json, os, pathlib, sys
name = pathlib.Path(sys.argv[0]).name
with open({calls!r}, "a") as calls:
    calls.write(json.dumps([name, *sys.argv[1:]]) + "\\n")
if name == "dpkg-deb":
    print("yes" if "base" in pathlib.Path(sys.argv[2]).name else "no")
if "--configure" in sys.argv and {fails}:
    sys.exit("dpkg: error processing package")
"""


def configured(folder: Path, *, fails: bool = False) -> tuple[Path, int, list[list[str]]]:
    """The root after the script ran on it, the script's exit status, and the commands it used."""
    root, fakes = folder / "a root; of $HOME", folder / "fakes"
    archives = root / "var" / "cache" / "apt" / "archives"
    for made in (
        archives,
        root / "var/lib/dpkg",
        root / "usr/sbin",
        root / "etc/apt/sources.list.d",
    ):
        made.mkdir(parents=True)
    for name in ("base one.deb", "base-2.deb", "other.deb"):
        (archives / name).touch()
    (root / "etc/apt/sources.list.d/0000debian.sources").touch()
    fakes.mkdir()
    calls = folder / "calls"
    for name in ("dpkg", "dpkg-deb", "chroot"):
        (fakes / name).write_text(RECORDER.format(calls=str(calls), fails=fails))
        (fakes / name).chmod(0o755)
    text = SCRIPT.read_text()
    assert "PATH=/usr/sbin:" in text
    script = folder / "configure-root.sh"
    script.write_text(text.replace("PATH=/usr/sbin:", f"PATH={fakes}:/usr/sbin:"))
    done = subprocess.run(["sh", script, root], capture_output=True, check=False)
    return root, done.returncode, [json.loads(line) for line in calls.read_text().splitlines()]


def test_a_root_may_be_in_a_folder_of_any_name(tmp_path: Path) -> None:
    root, status, calls = configured(tmp_path)
    assert status == 0
    archives = root / "var" / "cache" / "apt" / "archives"
    unpacked, rest = (call for call in calls if "--unpack" in call)
    assert set(unpacked[-2:]) == {str(archives / "base one.deb"), str(archives / "base-2.deb")}
    assert rest[-2:] == ["--recursive", str(archives)]
    assert f"--root={root}" in unpacked and f"--root={root}" in rest
    assert [path.name for path in archives.iterdir()] == ["other.deb"]
    assert ["chroot", str(root), "dpkg", "--force-unsafe-io", "--force-confnew",
            "--configure", "-a"] in calls  # fmt: skip


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_written_beside_the_root(tmp_path: Path, fails: bool) -> None:
    victim = tmp_path / "victim"
    victim.write_text("root's own")
    # The name that an older script used for its log, which others could take first.
    (tmp_path / "a root; of $HOME.dpkg.log").symlink_to(victim)
    before = {path.name for path in tmp_path.iterdir()}
    root, status, _ = configured(tmp_path, fails=fails)
    assert status == int(fails)
    assert victim.read_text() == "root's own"
    after = {path.name for path in tmp_path.iterdir()}
    assert after - before == {root.name, "fakes", "calls", "configure-root.sh"}
    assert not [path for path in root.iterdir() if "log" in path.name]
