"""``kollarm doctor`` against real engines, registries and clouds, there and not there."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from kollarm.services.registry import EmbeddedRegistry
from tests.support import copied_machine
from tests.support.commands import COMMAND, kollarm
from tests.support.servers import free_port

pytestmark = pytest.mark.integration


def examined(tmp_path: Path, settings: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The exit status, and each finding by its subject."""
    config = tmp_path / "kollarm.yml"
    config.write_text(yaml.safe_dump({"state_dir": str(tmp_path / "state"), **settings}))
    outcome = kollarm("doctor", "--json", "--config", config)
    document = json.loads(outcome.stdout)
    assert document["ok"] is (outcome.status == 0)
    return outcome.status, {finding["subject"]: finding for finding in document["findings"]}


def test_all_is_well(tmp_path: Path, registry: EmbeddedRegistry) -> None:
    status, found = examined(tmp_path, {"registry": {"address": registry.address}})
    assert status == 0, found
    assert found["engine local"]["level"] == "ok"
    assert found["aarch64 programs"]["level"] == "ok"
    assert "kolla/base" in found[f"registry {registry.address}"]["text"]
    assert "needed" in found["disk space"]["text"]


def test_what_is_not_there_is_said_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    clouds = tmp_path / "clouds.yaml"
    where = f"http://127.0.0.1:{free_port()}"
    entry = {"auth_type": "none", "auth": {"endpoint": where}, "image_endpoint_override": where}
    clouds.write_text(yaml.safe_dump({"clouds": {"gone": entry}}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
    status, found = examined(
        tmp_path,
        {
            "registry": {"address": f"127.0.0.1:{port}"},
            "build": {"engines": {"x86_64": {"url": f"unix://{tmp_path}/no.sock"}}},
            "guests": [
                {"name": "g", "source": {"path": "absent", "sha256": "0" * 64}, "boot": "none"}
            ],
            "cloud": {"name": "gone"},
        },
    )
    assert status == 1
    missing = {subject for subject, one in found.items() if one["level"] == "missing"}
    assert missing >= {
        f"engine unix://{tmp_path}/no.sock",
        f"registry 127.0.0.1:{port}",
        "cloud gone",
    }
    assert all(found[subject]["remedy"] for subject in missing)


def test_a_port_that_another_program_has(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        status, found = examined(tmp_path, {"registry": {"embedded": True, "address": address}})
    assert status == 1
    assert "is in use by process" in found[f"registry {address}"]["text"]
    assert "registry.address" in found[f"registry {address}"]["remedy"]


def test_libguestfs_is_started(tmp_path: Path, registry: EmbeddedRegistry) -> None:
    guest = {"name": "g", "source": {"path": "absent", "sha256": "0" * 64}, "boot": "none"}
    settings = {
        "registry": {"address": registry.address},
        "guests": [guest],
        "cloud": {"embedded": True, "port": free_port()},
    }
    status, found = examined(tmp_path, settings)
    assert status == 0, found
    assert "its appliance starts" in found["libguestfs"]["text"]
    assert "KVM" in found


def fixed(
    folder: Path, settings: dict[str, Any], before: str, **how: Any
) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """In a copy of this machine: the findings, what ``--fix`` said, and the findings after it."""
    config = folder / "kollarm.yml"
    config.write_text(yaml.safe_dump({"state_dir": str(folder / "state"), **settings}))
    doctor = f"{shlex.join(COMMAND)} doctor --config {config}"
    script = (
        f"{before}{doctor} --json > {folder}/before.json; {doctor} --fix 2>&1; "
        f"{doctor} --json > {folder}/after.json; true"
    )
    done = copied_machine.run(script, folder / "copy", **how)
    assert done.returncode == 0, done.stderr
    found = [
        {finding["text"]: finding for finding in json.loads(path.read_text())["findings"]}
        for path in (folder / "before.json", folder / "after.json")
    ]
    return found[0], done.stdout + done.stderr, found[1]


def test_fix_installs_a_package(tmp_path: Path, registry: EmbeddedRegistry) -> None:
    """Of this machine's own archive, in a copy of it where arch-test was removed."""
    settings = {
        "registry": {"address": registry.address},
        "build": {"images": ["base"], "base": {"bootstrap": {"suite": "trixie"}}},
    }
    remove = "dpkg --remove --force-depends arch-test >/dev/null 2>&1; "
    before, said, after = fixed(tmp_path, settings, remove, bound=[Path("/run")])
    missing = before["arch-test isn't installed"]
    assert missing["level"] == "missing" and missing["fixable"]
    assert missing["remedy"] == "install the package arch-test"
    assert "✓ install arch-test" in said
    assert "no problems found" in said
    assert "arch-test isn't installed" not in after
    assert subprocess.run(["arch-test", "-n"], check=False, capture_output=True).returncode == 0


def test_fix_starts_the_engine(tmp_path: Path, registry: EmbeddedRegistry) -> None:
    """In a copy of this machine where none runs, and no service manager."""
    settings = {"registry": {"embedded": True, "address": f"127.0.0.1:{free_port()}"}}
    empty = [Path("/run"), Path("/var/lib/docker"), Path("/var/lib/containerd")]
    before, said, after = fixed(tmp_path, settings, "", empty=empty, network=False)
    [unreachable] = [one for one in before.values() if one["subject"] == "engine local"]
    assert unreachable["level"] == "missing" and unreachable["fixable"], before
    assert "✓ scripts/setup-engine" in said
    [engine] = [one for one in after.values() if one["subject"] == "engine local"]
    assert engine["level"] == "ok" and "Docker Engine" in engine["text"]
