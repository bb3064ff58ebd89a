"""The examples' images: linted, planned, and compared with what their hosts will pull."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from core.config.load import load
from deploy import plan
from deploy.stages import AnsibleOptions
from tests.support.commands import kollarm
from tests.support.registries import RunningRegistry

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
CLOUDS = [*sorted(EXAMPLES.glob("hybrid-*.yml")), EXAMPLES / "small-cloud.yml"]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    running = RunningRegistry(tmp_path_factory.mktemp("registry"))
    yield running
    running.stop()


@pytest.mark.parametrize("example", CLOUDS, ids=lambda path: path.stem)
def test_an_example_builds_what_its_hosts_pull(
    example: Path, registry: RunningRegistry, tmp_path: Path
) -> None:
    document = yaml.safe_load(example.read_text())
    key = tmp_path / "key"
    key.touch()
    document["deploy"]["ssh"]["private_key"] = str(key)
    theirs = tmp_path / "theirs.yml"
    theirs.write_text(yaml.safe_dump(document))
    document["registry"] = {"address": registry.address}
    document["build"]["engines"]["aarch64"] = {"url": "local"}
    own = tmp_path / "kollarm.yml"
    own.write_text(yaml.safe_dump(document))
    shutil.copytree(EXAMPLES / "small-cloud", tmp_path / "small-cloud")

    linted = kollarm("lint", "--config", own)
    assert linted.status == 0, linted.stdout

    planned = kollarm("build", "--config", own, "--dry-run", "--json")
    assert planned.status == 0, planned.stderr
    built: dict[str, set[str]] = {"x86_64": set(), "aarch64": set()}
    for row in planned.document["images"]:
        built[row["architecture"]].add(row["reference"].rsplit("/", 1)[1].rsplit(":", 1)[0])
    assert planned.document["left_out"] == []
    assert planned.document["warnings"] == []

    config = load(theirs)
    assert config.deploy is not None
    pulled: dict[str, set[str]] = {"x86_64": set(), "aarch64": set()}
    for use in plan(config, config.deploy, ("pull",), options=AnsibleOptions()).images:
        pulled[use.architecture].add(use.repository.rsplit("/", 1)[1])
    assert pulled["aarch64"] and pulled["x86_64"]
    for architecture, names in pulled.items():
        assert names <= built[architecture]
        # beside them only parents
        assert all(name.endswith("base") for name in built[architecture] - names)
