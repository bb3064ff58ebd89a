"""Keys, contexts, certificates and roots: the same content gives the same bytes."""

from __future__ import annotations

import base64
import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from builder import base_image, keys
from builder.context import certificates
from builder.context.archive import build_context
from builder.facts import ImageSource, RenderedImage, RenderedTree
from core.config.model import Architecture, BaseImage, Bootstrap
from core.errors import KollarmError

ARM = Architecture.AARCH64


@pytest.fixture
def image(tmp_path: Path) -> RenderedImage:
    folder = tmp_path / "cron"
    (folder / "patches").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM a\n")
    (folder / "extend_start.sh").write_text("#!/bin/bash\n")
    (folder / "patches" / "series").write_text("one\n")
    return RenderedImage("cron", folder, "base", "cron")


def key(image: RenderedImage, text: str = "FROM a\nRUN b\n", parent: str = "p") -> str:
    return keys.image_key(image, text, parent, ARM)


def test_a_key_is_over_content_alone(image: RenderedImage) -> None:
    before = key(image)
    os.utime(image.context / "extend_start.sh", (1, 1))
    assert key(image) == before
    assert key(image, "FROM another\nRUN b\n") == before


def test_what_templates_leave_blank_changes_no_key(image: RenderedImage) -> None:
    assert key(image, "FROM a\n\n# why\nRUN b \\\n  # here\n  && c\n") == key(
        image, "FROM a\nRUN b \\\n  && c\n\n\n"
    )
    # in a here-document every line is content
    assert key(image, "FROM a\nRUN cat <<E\n# 1\nE\n") != key(
        image, "FROM a\nRUN cat <<E\n# 2\nE\n"
    )


def test_whatever_goes_into_an_image_changes_its_key(image: RenderedImage) -> None:
    seen = {key(image), key(image, "FROM a\nRUN c\n"), key(image, parent="q")}
    (image.context / "extend_start.sh").chmod(0o755)
    seen.add(key(image))
    (image.context / "patches" / "two").write_text("")
    seen.add(key(image))
    url = ImageSource("nova", "url", "https://example.org/nova.tar.gz")
    seen.add(key(replace(image, source=url)))
    seen.add(key(replace(image, source=replace(url, sha256="0"))))
    assert len(seen) == 7


def test_a_local_source_is_its_content(image: RenderedImage, tmp_path: Path) -> None:
    archive = tmp_path / "nova.tar"
    archive.write_text("1")
    local = replace(image, source=ImageSource("nova", "local", str(archive)))
    before = key(local)
    moved = tmp_path / "elsewhere" / "nova.tar"
    moved.parent.mkdir()
    moved.write_text("1")
    assert key(replace(image, source=ImageSource("nova", "local", str(moved)))) == before
    archive.write_text("2")
    assert key(local) != before


def members(content: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: member for member in tar}


def test_a_context_is_the_same_bytes_again(image: RenderedImage, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.mkdir()
    (plugin / "setup.py").write_text("x")
    with_plugin = replace(image, plugins=(ImageSource("cron-plugin-x", "local", str(plugin)),))

    def context() -> bytes:
        with build_context(with_plugin, "FROM a\n", lambda s: Path(s.location)) as stream:
            return stream.read()

    first = context()
    for path in (image.context / "patches", image.context / "extend_start.sh", plugin / "setup.py"):
        os.utime(path, (1, 1))
    assert context() == first
    found = members(first)
    assert {"Dockerfile", "patches/series", "plugins-archive", "additions-archive"} <= set(found)
    assert all(m.mtime == 0 and m.uid == 0 and m.mode in (0o644, 0o755) for m in found.values())
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        packed = tar.extractfile("plugins-archive")
        assert packed is not None
        assert "plugins/plugin/setup.py" in members(packed.read())


def pem(content: bytes) -> str:
    text = base64.encodebytes(content).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"


def test_only_what_no_public_store_has_is_extra(tmp_path: Path) -> None:
    bundle, known = tmp_path / "bundle.pem", tmp_path / "known.crt"
    bundle.write_text("# a comment\n" + pem(b"public" * 20) + pem(b"own" * 30) + pem(b"own" * 30))
    known.write_text(pem(b"public" * 20))
    found = certificates.extra(bundle, [known])
    assert len(found) == 1
    assert b"BEGIN CERTIFICATE" in next(iter(found.values()))
    assert certificates.extra(None) == {}


def test_what_dpkg_would_not_unpack() -> None:
    kept = base_image.kept_by(
        (
            "path-exclude /usr/share/doc/*",
            "path-include=/usr/share/doc/*/copyright",
            "path-exclude /usr/share/locale/*",
            "path-include /usr/share/locale/en*",
            "",
        )
    )
    assert not kept("/usr/share/doc/bash/README")
    assert kept("/usr/share/doc/bash/copyright")
    assert not kept("/usr/share/locale/de/LC_MESSAGES/bash.mo")
    assert kept("/usr/share/locale/en/LC_MESSAGES/bash.mo")
    assert kept("/usr/bin/bash")


def test_a_bootstrapped_base_is_named_by_what_it_is_made_of(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM debian:trixie\nRUN apt-get -y install curl adduser\n"
    )
    tree = RenderedTree(
        architecture=ARM,
        kolla_version="22.2.0",
        base_image="debian",
        base_tag="trixie",
        images={"base": RenderedImage("base", tmp_path, None, "base")},
        templates=tmp_path,
        template_names=frozenset(),
    )
    configured = BaseImage(bootstrap=Bootstrap(suite="trixie"))
    found = base_image.of(tree, configured)
    assert found.packages == ("adduser", "curl")
    assert found.reference == f"kollarm/root:trixie-aarch64-{found.key[:12]}"
    (tmp_path / "Dockerfile").write_text("FROM debian:trixie\nRUN apt-get -y install curl\n")
    assert base_image.of(tree, configured).key != found.key
    assert base_image.of(tree, BaseImage()).reference == "debian:trixie"


def archive_of(path: Path, *members: tuple[str, bytes, str]) -> Path:
    """An archive of (name, type, link) members; a plain file holds its own name."""
    with tarfile.open(path, "w") as tar:
        for name, kind, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            info.size = len(name) if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(name.encode()))
    return path


def test_plugins_are_packed_anew_under_their_folder(image: RenderedImage, tmp_path: Path) -> None:
    plugin = archive_of(
        tmp_path / "plugin.tar",
        ("p/a", tarfile.REGTYPE, ""),
        ("./p/b", tarfile.LNKTYPE, "p/a"),
        ("p/c", tarfile.SYMTYPE, "a"),
    )
    whole = replace(image, plugins=(ImageSource("cron-plugin-p", "local", str(plugin)),))
    stream = build_context(whole, "FROM a\n", lambda source: Path(source.location))
    with tarfile.open(fileobj=stream) as context:
        inner = context.extractfile("plugins-archive")
        assert inner is not None
        with tarfile.open(fileobj=io.BytesIO(inner.read())) as packed:
            found = {member.name: member for member in packed.getmembers()}
            assert set(found) == {"plugins", "plugins/p/a", "plugins/p/b", "plugins/p/c"}
            linked = packed.extractfile("plugins/p/b")
            assert linked is not None and linked.read() == b"p/a"
            assert found["plugins/p/c"].linkname == "a"


@pytest.mark.parametrize(
    ("name", "kind"), [("../x", tarfile.REGTYPE), ("a/../../x", tarfile.REGTYPE), ("x", b"3")]
)
def test_an_archive_that_reaches_out_is_refused(
    image: RenderedImage, tmp_path: Path, name: str, kind: bytes
) -> None:
    archive = archive_of(tmp_path / "bad.tar", (name, kind, ""))
    whole = replace(image, additions=(ImageSource("cron-additions-p", "local", str(archive)),))
    with pytest.raises(KollarmError, match=r"bad\.tar"):
        build_context(whole, "FROM a\n", lambda source: Path(source.location))
