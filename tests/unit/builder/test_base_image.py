"""The image that Kolla's base starts from."""

from __future__ import annotations

from pathlib import Path

from builder import base_image
from builder.facts import RenderedTree
from core.config.model import Architecture, BaseImage

DIGEST = "sha256:" + "0" * 64


def reference(*, name: str | None = None, tag: str | None = None) -> str:
    tree = RenderedTree(
        architecture=Architecture.X86_64,
        kolla_version="22.0.0",
        base_image="debian",
        base_tag="trixie",
        images={},
        templates=Path("/nowhere"),
        template_names=frozenset(),
    )
    return base_image.of(tree, BaseImage(name=name, tag=tag)).reference


def test_the_releases_own_base_unless_another_is_named() -> None:
    assert reference() == "debian:trixie"
    assert reference(tag="sid") == "debian:sid"
    assert reference(name="host:5000/debian") == "host:5000/debian:trixie"


def test_a_digest_gets_no_tag() -> None:
    assert reference(name=f"debian@{DIGEST}") == f"debian@{DIGEST}"
