"""The end of a deployment: what is proved for which architecture, and the page of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from guestprep.boot.states import BootState
from kollarm.config.deploy import Deploy
from kollarm.config.model import Architecture
from kollarm.errors import ConfigError
from kollarm.proof.model import Diagnosis, ProofReport, Stage
from kollarm.proof.page import page
from kollarm.proof.stage import wishes

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
    todo = wishes(
        deployment(cloud="new", images={"aarch64": "jammy-arm64"}, flavor="m1.small"), tmp_path
    )
    [(arch, wish)] = todo.items()
    assert (arch, wish.image, wish.flavor) == (Architecture.AARCH64, "jammy-arm64", "m1.small")
    assert wish.screenshot == tmp_path / "aarch64.png"


def test_an_architecture_without_an_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="compute hosts for aarch64"):
        wishes(deployment(cloud="new", images={"x86_64": "jammy"}), tmp_path)


def test_nothing_to_prove_is_said_with_where_to_say_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        wishes(deployment(), tmp_path)
    assert caught.value.hint is not None and "deploy.proof" in caught.value.hint


def report(screenshot: Path | None, diagnosis: Diagnosis | None) -> ProofReport:
    return ProofReport(
        cloud="new",
        image="jammy<arm64>",
        architecture="aarch64",
        instance="1",
        host="arm1",
        seconds={Stage.BUILD: 4.0},
        sightings=(),
        screen=BootState.LOGIN_PROMPT,
        serial=BootState.LOGIN_PROMPT,
        screen_text="",
        serial_tail="",
        screenshot=screenshot,
        diagnosis=diagnosis,
    )


def test_the_page_shows_every_screen_and_every_reason(tmp_path: Path) -> None:
    picture = tmp_path / "screen.png"
    Image.new("RGB", (2, 2)).save(picture)
    failed = Diagnosis(Stage.SCHEDULER, "no host", "add one", "No valid host was found.")
    text = page(
        {Architecture.AARCH64: report(picture, None), Architecture.X86_64: report(None, failed)}
    )
    assert text.count("data:image/png;base64,") == 1
    assert "jammy&lt;arm64&gt;" in text and "jammy<arm64>" not in text
    assert "No valid host was found." in text and "add one" in text
