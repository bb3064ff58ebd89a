"""Whether there are native tools, and the release of a pulled base image, which names it."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from builder.base_image import BaseSource
from builder.engines.protocol import EngineInfo, ImageBuilder
from builder.native.tools import NONE, MountedTools, codename, ensure
from core import progress
from core.config.model import Architecture, Bootstrap, Distro

X86, ARM = Architecture.X86_64, Architecture.AARCH64
NO_CLIENT = "install docker-buildx"


@dataclass
class Emulating:
    """What is asked of an engine before there are native tools; one without BuildKit."""

    own: Architecture = X86
    keeps_images: bool = True
    obstacle: str | None = NO_CLIENT

    def machine(self, architecture: Architecture) -> str:
        return self.own.oci

    def no_mounts(self) -> str | None:
        return self.obstacle

    def image(self, reference: str) -> None:
        return None

    def info(self) -> EngineInfo:
        return EngineInfo("1", self.own.oci, "")


def said(
    engine: Emulating,
    distro: Distro | None,
    architecture: Architecture = ARM,
    mirror: str = "http://deb.debian.org/debian",
) -> tuple[MountedTools, str]:
    """The image with the native tools, and what the run says about them."""
    before, output = progress.current(), io.StringIO()
    progress.use(progress.Progress(Console(file=output, width=1000)))
    try:
        base = BaseSource(
            architecture, "debian:trixie", "k", Bootstrap(suite="trixie", mirror=mirror)
        )
        return ensure(base, cast(ImageBuilder, engine), distro), output.getvalue()
    finally:
        progress.use(before)


@pytest.mark.parametrize("distro", [Distro.ROCKY, Distro.CENTOS, Distro.UBUNTU])
def test_another_distribution_has_none_and_says_so(distro: Distro) -> None:
    image, text = said(Emulating(), distro)
    assert image is NONE
    assert text.count(f"no native tools for {distro}") == 1
    assert "build.engines.aarch64" in text


def test_an_engine_without_buildkit_says_the_remedy() -> None:
    image, text = said(Emulating(), Distro.DEBIAN)
    assert image is NONE
    assert text.count(NO_CLIENT) == 1


def test_an_archive_without_the_packages_says_the_remedy() -> None:
    image, text = said(Emulating(obstacle=None), Distro.DEBIAN, mirror="http://127.0.0.1:9/debian")
    assert image is NONE
    assert "127.0.0.1:9" in text
    assert "the mirror" in text
    assert text.count("full emulation") == 1
    assert "build.engines.aarch64" in text


@pytest.mark.parametrize("own", Architecture)
def test_nothing_is_said_where_nothing_is_emulated(own: Architecture) -> None:
    assert said(Emulating(own), Distro.DEBIAN, own) == (NONE, "")
    assert said(Emulating(own), None, X86 if own is ARM else ARM) == (NONE, "")


def test_emulating_on_an_arm_machine_is_the_same() -> None:
    _, text = said(Emulating(ARM), Distro.DEBIAN, X86)
    assert NO_CLIENT in text and "x86_64 images" in text


@pytest.mark.parametrize(
    "text", ["VERSION_CODENAME=trixie", 'ID=debian\nVERSION_CODENAME="trixie"\n']
)
def test_the_codename_of_a_release(text: str) -> None:
    assert codename(text) == "trixie"


@pytest.mark.parametrize(
    "name", ["../../etc", "--hook=x", "a b", "a\\nSuites: b", "", '"', "A", "trixie/updates", "-x"]
)
def test_a_name_that_is_no_word_is_ignored(name: str) -> None:
    assert codename(f"VERSION_CODENAME={name}\n") is None


@given(st.text())
def test_nothing_but_letters_comes_out(name: str) -> None:
    found = codename(f"VERSION_CODENAME={name}")
    assert found is None or re.fullmatch("[a-z]+", found)
