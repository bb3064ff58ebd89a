"""Repositories and apt preferences of several overlays."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.overlays import package_sources
from builder.overlays.model import read
from core.errors import ConfigError
from tests.support import hostile_overlays


def test_changes_of_repositories_are_merged(tmp_path: Path) -> None:
    a, b = (hostile_overlays.make(tmp_path, name) for name in "ab")
    (a / "repos.yaml").write_text("debian: {grafana: {url: https://a, suite: x}}\n")
    (b / "repos.yaml").write_text("debian: {grafana: {component: y}, other: {url: https://b}}\n")
    assert package_sources.merge([read(a), read(b)]) == {
        "debian": {
            "grafana": {"url": "https://a", "suite": "x", "component": "y"},
            "other": {"url": "https://b"},
        }
    }
    (b / "repos.yaml").write_text("debian: {grafana: {url: https://b}}\n")
    with pytest.raises(ConfigError) as caught:
        package_sources.merge([read(a), read(b)])
    assert "debian.grafana.url" in caught.value.faults[0].where
    (b / "overlay.yml").write_text("description: x\nwhy: y\nreplaces: [debian.grafana.url]\n")
    assert package_sources.merge([read(a), read(b)])["debian"]["grafana"]["url"] == "https://b"


@pytest.mark.parametrize("text", ["- x\n", "debian: [x]\n", "debian: {grafana: x}\n", "a: [\n"])
def test_other_shapes_are_faults(tmp_path: Path, text: str) -> None:
    folder = hostile_overlays.make(tmp_path)
    (folder / "repos.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        package_sources.merge([read(folder)])
    assert "repos.yaml" in caught.value.faults[0].where


def test_preferences_are_joined_in_order(tmp_path: Path) -> None:
    a, b = (hostile_overlays.make(tmp_path, name) for name in "ab")
    for folder in (a, b):
        (folder / "apt-preferences").write_text(f"Package: {folder.name}\nPin-Priority: 1\n")
    assert package_sources.preferences([read(a), read(b)]) == (
        "# overlay a\nPackage: a\nPin-Priority: 1\n\n# overlay b\nPackage: b\nPin-Priority: 1\n"
    )
