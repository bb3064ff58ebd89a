"""Lists of versions, made and checked for a release's own Dockerfiles, with uv and PyPI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.commands import kollarm
from tests.support.registries import RunningRegistry

pytestmark = pytest.mark.integration

#: Images that are not built here, only planned.
CONFIGURATION = {
    "release": "2026.1",
    "build": {
        "images": ["placement-base"],
        "base": {"bootstrap": {"suite": "trixie"}},
        "sources": {
            "openstack-base": {"path": "list"},
            "placement-base": {"pypi": "openstack-placement==15.0.0"},
        },
        "engines": {"x86_64": {"url": "local"}},
    },
}


def planned(config: Path) -> list[str]:
    done = kollarm("build", "--config", config, "--dry-run", "--json")
    assert done.status == 0, done.stderr
    warnings: list[str] = done.document["warnings"]
    return warnings


def test_a_written_list_is_complete_until_a_line_is_lost(tmp_path: Path) -> None:
    registry = RunningRegistry(tmp_path / "registry")
    try:
        document: dict[str, Any] = CONFIGURATION | {"registry": {"address": registry.address}}
        config = tmp_path / "kollarm.yml"
        config.write_text(yaml.safe_dump(document))
        made = kollarm("constraints", tmp_path / "list", "--before", "2026-04-20",
                       "--limit", "setuptools<82", "--config", config, "--json")  # fmt: skip
        assert made.status == 0, made.stderr
        file = tmp_path / "list" / "upper-constraints.txt"
        lines = file.read_text().splitlines(keepends=True)
        assert "setuptools===81.0.0\n" in lines
        assert "oslo-log===8.1.0\n" in lines, "as of that day"
        assert not any(line.startswith("openstack-placement=") for line in lines)
        assert planned(config) == []

        # oslo-metrics is asked for by no Dockerfile, but by what a Dockerfile asks for
        file.write_text("".join(line for line in lines if not line.startswith("oslo-metrics=")))
        (warning,) = planned(config)
        assert "oslo-metrics" in warning and "oslo-log" not in warning
        assert "kollarm constraints" in warning

        file.write_text("".join(lines) + "keystoneauth1===1.0\n")
        (warning,) = planned(config)
        assert "contradicts" in warning and "keystoneauth1" in warning

        contradicting = ("--limit", "oslo.log<1", "--limit", "oslo.log>2")
        failed = kollarm("constraints", tmp_path / "other", *contradicting, "--config", config)
        assert failed.status == 1
        assert "oslo-log" in failed.stderr
        assert not (tmp_path / "other").exists()
    finally:
        registry.stop()
