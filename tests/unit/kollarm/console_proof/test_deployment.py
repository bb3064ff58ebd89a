"""The end of a deployment: what is proved for which architecture, and where its screen is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config.deploy import Deploy
from core.config.model import Architecture
from core.errors import ConfigError
from kollarm.console_proof.deployment import proof_specs

HOSTS = {
    "control": {"architecture": "x86_64", "groups": ["control"]},
    "arm1": {"architecture": "aarch64", "groups": ["compute"]},
    "arm2": {"architecture": "aarch64", "groups": ["compute"]},
}


def deployment(**proof: object) -> Deploy:
    return Deploy.model_validate(
        {"hosts": HOSTS, "vips": {"internal": "10.0.0.1"}, **({"proof": proof} if proof else {})}
    )


def test_each_architecture_gets_its_image(tmp_path: Path) -> None:
    todo = proof_specs(
        deployment(cloud="new", images={"aarch64": "jammy-arm64"}, flavor="m1.small"), tmp_path
    )
    [(arch, wish)] = todo.items()
    assert (arch, wish.image, wish.flavor) == (Architecture.AARCH64, "jammy-arm64", "m1.small")
    assert wish.screenshot == tmp_path / "aarch64.png"


def test_an_architecture_without_an_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="compute hosts for aarch64"):
        proof_specs(deployment(cloud="new", images={"x86_64": "jammy"}), tmp_path)


def test_nothing_to_prove_is_said_with_where_to_say_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        proof_specs(deployment(), tmp_path)
    assert caught.value.hint is not None and "deploy.proof" in caught.value.hint
