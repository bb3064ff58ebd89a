"""Keys that registries and caches hold already: another digest would build everything again."""

from __future__ import annotations

from pathlib import Path

from builder import keys
from builder.facts import ImageSource, RenderedImage
from builder.kolla.request import RenderRequest, TemplateChanges
from core import cache
from core.config.model import Architecture, Distro


def rendered(context: Path) -> RenderedImage:
    context.mkdir()
    (context / "Dockerfile").write_text("FROM x\nRUN true\n")
    for name, mode in (("start.sh", 0o755), ("nova.conf", 0o644)):
        (context / name).write_text(f"{name}\n")
        (context / name).chmod(mode)
    (context / "link").symlink_to("nova.conf")
    return RenderedImage(
        name="nova-base",
        context=context,
        parent="base",
        published="nova-base",
        source=ImageSource(
            "nova-base", "url", "https://tarballs.example/nova.tar.gz", sha256="ab" * 32
        ),
        plugins=(ImageSource("nova-base-plugin-x", "git", "https://git.example/x", "main"),),
    )


def test_the_key_of_an_image_stays(tmp_path: Path) -> None:
    text = "FROM anything\n# comment\n\nRUN true\n"
    key = keys.image_key(rendered(tmp_path / "nova"), text, "f" * 64, Architecture.AARCH64)
    assert key == "2beb2c28a3e64ff7e884586ac752ae81de9350afc6577f3f24212f4b154fab19"


def test_an_argument_gives_another_key(tmp_path: Path) -> None:
    image = rendered(tmp_path / "nova")
    found = {
        keys.image_key(image, "FROM x\nARG SITE\n", "f" * 64, Architecture.AARCH64, args)
        for args in ({}, {"SITE": "a"}, {"SITE": "b"})
    }
    assert len(found) == 3


def test_the_key_of_a_pulled_base_stays() -> None:
    assert keys.base_key({"image": "debian:trixie"}) == (
        "b0b4b3b82d5bda6eeb4273d816b7ca9a2eac13a3919029bd61f6956b0029065f"
    )


def test_the_key_of_a_rendering_stays() -> None:
    changes = TemplateChanges(
        override="{% extends parent_template %}\n",
        files={"base": {"overlays/x/ca.crt": b"\x00\x01"}},
        settings={"DEFAULT": {"maintainer": "Me"}, "nova-base": {"type": "git"}},
        tree_patches=(("x", "--- a\n+++ b\n"),),
        patches={"nova-compute": {"series": b"x-a.patch\n"}},
    )
    request = RenderRequest(Architecture.AARCH64, Distro.DEBIAN, changes)
    assert cache.digest(request.to_dict()) == "e31237630110d7fb6d0a"
