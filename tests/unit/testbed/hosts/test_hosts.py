"""Hosts in containers: what their engine asks runc for, and the configuration for them."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from core.config.deploy import Deploy
from testbed.hosts.bed import TestBed, TestHost, deploy_example

RUNTIME = Path(__file__).parents[4] / "testbed/hosts/data/runc-within-limits"


@pytest.fixture
def runtime() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("runc_within_limits", str(RUNTIME))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def process() -> dict[str, Any]:
    names = ["CAP_CHOWN", "CAP_SYS_RESOURCE"]
    return {
        "capabilities": {"bounding": list(names), "effective": list(names), "ambient": None},
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 2**62, "soft": 2**62}],
        "oomScoreAdj": -500,
        "args": ["true"],
    }


def test_what_the_machine_lacks_is_not_asked_for(
    runtime: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "given", lambda: {"CAP_CHOWN"})
    wanted = process()
    runtime.reduce(wanted)
    assert wanted["capabilities"] == {
        "bounding": ["CAP_CHOWN"],
        "effective": ["CAP_CHOWN"],
        "ambient": [],
    }
    (limit,) = wanted["rlimits"]
    assert limit["soft"] == limit["hard"] < 2**62
    assert "oomScoreAdj" not in wanted and wanted["args"] == ["true"]


def test_a_machine_with_everything_changes_nothing(
    runtime: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "given", lambda: {f"CAP_{name}" for name in runtime.CAPABILITIES})
    wanted = process()
    runtime.reduce(wanted)
    assert wanted == process() | {"capabilities": process()["capabilities"] | {"ambient": []}}


def test_capabilities_have_the_kernels_numbers(runtime: ModuleType) -> None:
    """linux/capability.h, two of them."""
    assert runtime.CAPABILITIES.index("SYS_ADMIN") == 21
    assert runtime.CAPABILITIES.index("SYS_RESOURCE") == 24
    assert runtime.given() <= {f"CAP_{name}" for name in runtime.CAPABILITIES}


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["create", "--bundle", "/b", "id"], "/b"),
        (["create", "--bundle=/b", "id"], "/b"),
        (["create", "-b", "/b", "id"], "/b"),
        (["create", "id"], None),
    ],
)
def test_the_bundle_is_found(runtime: ModuleType, words: list[str], value: str | None) -> None:
    assert runtime.option(words, "--bundle", "-b") == value


def test_what_is_printed_is_a_section_deploy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TestBed, "free_address", "10.0.0.250")
    section: dict[str, Any] = deploy_example(
        TestBed(tmp_path), [TestHost("ctl1", "10.0.0.2", "running")]
    )
    section["hosts"]["ctl1"] |= {"architecture": "x86_64", "groups": ["control"]}
    deploy = Deploy.model_validate_json(json.dumps(section))
    assert deploy.hosts["ctl1"].address == "10.0.0.2"


def test_two_checkouts_have_beds_of_their_own(tmp_path: Path) -> None:
    one, other = TestBed(tmp_path / "one"), TestBed(tmp_path / "other")
    assert not set(one.networks) & set(other.networks)
