"""Sources from elsewhere: which one is replaced by what."""

from __future__ import annotations

import traceback
from dataclasses import replace
from pathlib import Path

import pytest

from builder import keys
from builder.attest import make
from builder.facts import ImageSource, RenderedImage, RenderedTree
from builder.kolla import sources
from core.config.model import Architecture, SourceOf
from core.errors import ConfigError, KollarmError
from tests.support.build_targets import tree

X86 = Architecture.X86_64


@pytest.fixture
def nova() -> RenderedTree:
    own = RenderedImage(
        "nova-base",
        Path("nova-base"),
        "base",
        "nova-base",
        source=ImageSource(
            "nova-base", "url", "https://tarballs.example/nova.tar.gz", sha256="0" * 64
        ),
        plugins=(
            ImageSource("nova-base-plugin-a", "url", "https://tarballs.example/a.tar.gz"),
            ImageSource("nova-base-plugin-b", "git", "https://git.example/b", "master"),
        ),
    )
    return replace(tree(X86), images={"nova-base": own})


def chosen(nova: RenderedTree, wanted: dict[str, SourceOf]) -> RenderedImage:
    return sources.chosen({X86: nova}, wanted)[X86].images["nova-base"]


def test_without_a_request_all_is_as_the_release_has_it(nova: RenderedTree) -> None:
    assert chosen(nova, {}) == nova.images["nova-base"]


def test_the_first_that_fits_counts(nova: RenderedTree) -> None:
    found = chosen(
        nova,
        {
            "nova-base": SourceOf(pypi="nova==33.0.2"),
            "nova-base-plugin-b": SourceOf(git="https://other.example/b", reference="mine"),
            "*-plugin-*": SourceOf(enabled=False),
        },
    )
    # the release's checksum is of the release's archive
    assert found.source == ImageSource("nova-base", "pypi", "nova==33.0.2")
    assert found.plugins[0].enabled is False
    assert found.plugins[1] == ImageSource(
        "nova-base-plugin-b", "git", "https://other.example/b", "mine"
    )


def test_a_name_that_the_release_lacks_is_met_with_a_guess(nova: RenderedTree) -> None:
    with pytest.raises(ConfigError) as caught:
        chosen(nova, {"nova-bse": SourceOf(enabled=False)})
    (fault,) = caught.value.faults
    assert fault.where == "build.sources.nova-bse"
    assert fault.hint is not None and "nova-base" in fault.hint


def test_a_source_that_is_switched_off_is_left_out() -> None:
    off = ImageSource("p", "url", "https://a.example/p", enabled=False)
    other = replace(off, location="https://b.example/p")
    assert keys.source_identity(off) == keys.source_identity(other)
    assert keys.source_identity(replace(off, enabled=True)) != keys.source_identity(
        replace(other, enabled=True)
    )
    assert sources.fetch(off) is None


def test_a_local_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KollarmError, match="isn't there") as caught:
        sources.fetch(ImageSource("nova-base", "local", str(tmp_path / "none")))
    assert caught.value.hint is not None and "build.sources" in caught.value.hint


def test_a_password_in_an_address_is_neither_shown_nor_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path))
    caplog.set_level("DEBUG")
    source = ImageSource("cron", "url", "http://me:s3cret@127.0.0.1:1/x.tar")
    with pytest.raises(KollarmError) as caught:
        sources.fetch(source)
    shown = "".join(traceback.format_exception(caught.value))
    assert "127.0.0.1" in shown
    assert "s3cret" not in f"{shown} {caught.value.details} {caplog.text}"
    assert make.dependency_of(source, built=False)["uri"] == "http://127.0.0.1:1/x.tar"


def test_a_repository_is_never_cloned_with_an_option(tmp_path: Path) -> None:
    for location, reference in (
        (f"--upload-pack=touch {tmp_path}/escaped;:", None),
        (f"ext::touch {tmp_path}/escaped", None),
        ("/nowhere", "--orphan=x"),
    ):
        with pytest.raises(KollarmError):
            sources.fetch(ImageSource("x", "git", location, reference))
    assert not list(tmp_path.iterdir())
