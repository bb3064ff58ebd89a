"""The programs that kollarm's own overlays put into images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from core.paths import project_dir

OVERLAYS = project_dir() / "dockerfile_overlays"
HEALTH_CHECK = OVERLAYS / "mariadb-health-check/files/healthcheck.sh"
UNPACK = OVERLAYS / "collections-from-pypi/files/unpack_collections.py"

#: A client of MariaDB: it notes its arguments, and answers with the file of its folder.
CLIENT = """\
#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/asked"
cat "$here/answer"
"""


def healthy(folder: Path, answer: str | None, *options: str) -> tuple[int, list[str]]:
    """The check's exit status, and what it asked the server."""
    client = folder / "mariadb"
    client.write_text(CLIENT)
    client.chmod(0o755)
    asked = folder / "asked"
    asked.write_text("")
    (folder / "answer").unlink(missing_ok=True)
    if answer is not None:
        (folder / "answer").write_text(answer)
    done = subprocess.run(
        ["sh", HEALTH_CHECK, *options],
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        check=False,
    )
    return done.returncode, asked.read_text().splitlines()


def test_a_synced_node_is_healthy(tmp_path: Path) -> None:
    options = ("--defaults-file", "/etc/mysql/healthcheck.cnf", "--connect", "--galera_online")
    status, asked = healthy(tmp_path, "wsrep_local_state_comment\tSynced\n", *options)
    assert status == 0
    assert len(asked) == 2
    # the client takes this option in the first place only
    assert all(line.startswith("--defaults-file=/etc/mysql/healthcheck.cnf ") for line in asked)


@pytest.mark.parametrize("state", ["Donor/Desynced", "Joining", "Initialized"])
def test_a_node_that_is_not_synced_is_not_healthy(state: str, tmp_path: Path) -> None:
    answer = f"wsrep_local_state_comment\t{state}\n"
    assert healthy(tmp_path, answer, "--connect")[0] == 0
    assert healthy(tmp_path, answer, "--galera_online")[0] == 1


def test_a_server_that_does_not_answer_is_not_healthy(tmp_path: Path) -> None:
    assert healthy(tmp_path, None)[0] == 1
    assert healthy(tmp_path, None, "--galera_online")[0] == 1
    assert healthy(tmp_path, "", "--galera_online")[0] == 1, "a server without Galera"


def test_an_unknown_check_is_not_passed_over(tmp_path: Path) -> None:
    assert healthy(tmp_path, "", "--connect", "--innodb_initialized")[0] == 2


def wheel(path: Path, **versions: str) -> Path:
    """A wheel with collections ``NAMESPACE_NAME=VERSION``."""
    with zipfile.ZipFile(path, "w") as packed:
        for name, version in versions.items():
            root = "ansible_collections/" + name.replace("_", "/") + "/"
            manifest = {"collection_info": {"version": version}}
            packed.writestr(root + "MANIFEST.json", json.dumps(manifest))
            packed.writestr(root + "plugins/modules/one.py", path.name)
    return path


def unpack(folder: Path, wanted: dict[str, str], *wheels: Path) -> tuple[int, str, dict[str, str]]:
    """Exit status, standard error, and collection → the wheel that it came from."""
    requirements = folder / "requirements.yml"
    rows = [{"name": name, "version": version} for name, version in wanted.items()]
    requirements.write_text(yaml.safe_dump({"collections": rows}))
    target = folder / "target"
    done = subprocess.run(
        [sys.executable, UNPACK, requirements, target, *wheels],
        capture_output=True,
        text=True,
        check=False,
    )
    found = {f"{one.parts[-5]}.{one.parts[-4]}": one.read_text() for one in target.rglob("one.py")}
    return done.returncode, done.stderr, found


def test_a_collection_comes_from_the_first_wheel_that_fits(tmp_path: Path) -> None:
    new = wheel(tmp_path / "new.whl", a_one="3.0", a_two="5.0", b_unasked="1.0")
    old = wheel(tmp_path / "old.whl", a_one="2.0", a_two="4.9", c_gone="1.5")
    status, _, found = unpack(tmp_path, {"a.one": "*", "a.two": "<5", "c.gone": "<2"}, new, old)
    assert status == 0
    assert found == {"a.one": "new.whl", "a.two": "old.whl", "c.gone": "old.whl"}


def test_a_collection_in_no_wheel_fails_the_build(tmp_path: Path) -> None:
    one = wheel(tmp_path / "one.whl", a_one="3.0")
    status, said, _ = unpack(tmp_path, {"a.one": "<3", "b.none": "*"}, one)
    assert status == 1
    assert "a.one <3" in said and "3.0" in said and "b.none" in said
