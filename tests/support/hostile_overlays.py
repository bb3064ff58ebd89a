"""Overlays that try to read or to write outside of their own folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

SECRET = "the-secret-of-this-machine"

#: Kind → what makes such an overlay of a folder; the second path is the secret's file.
Spoiler = Callable[[Path, Path], None]


def make(root: Path, name: str = "hostile") -> Path:
    """An overlay that is in order."""
    folder = root / name
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "plain").write_text("plain")
    (folder / "overlay.yml").write_text("description: x\nwhy: y\n")
    (folder / "template-override.j2").write_text("{% block cron_footer %}RUN true{% endblock %}")
    return folder


def named_files(name: str) -> Spoiler:
    """``files:`` with that name."""

    def spoil(folder: Path, secret: Path) -> None:
        _describe(folder, name.format(secret=secret, up=os.path.relpath(secret, folder / "files")))

    return spoil


def named_patch(name: str) -> Spoiler:
    """A series with that name."""

    def spoil(folder: Path, secret: Path) -> None:
        place = folder / "patches" / "cron"
        place.mkdir(parents=True)
        text = name.format(secret=secret, up=os.path.relpath(secret, place))
        (place / "series").write_text(f"{text}\n")

    return spoil


def linked(name: str) -> Spoiler:
    """A link to the secret in the place of an entry of the folder."""

    def spoil(folder: Path, secret: Path) -> None:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(secret)
        if name.startswith("files/"):
            _describe(folder, name.removeprefix("files/"))

    return spoil


def settings(text: str) -> Spoiler:
    """A kolla-build.conf."""

    def spoil(folder: Path, secret: Path) -> None:
        up = os.path.relpath(secret, folder)
        (folder / "kolla-build.conf").write_text(
            text.format(secret=secret, up=up, outside=secret.parent)
        )

    return spoil


def tree_patch(header: str) -> Spoiler:
    """A patch of the template tree that brings a link to the secret, and a template that reads it.

    :param header: the lines that say what kind of file it is.
    """

    def spoil(folder: Path, secret: Path) -> None:
        (folder / "tree.patch").write_text(
            f"diff --git a/cron/stolen b/cron/stolen\n{header}\n--- /dev/null\n+++ b/cron/stolen\n"
            f"@@ -0,0 +1 @@\n+{secret}\n\\ No newline at end of file\n"
        )
        (folder / "template-override.j2").write_text(
            "{% block cron_footer %}COPY stolen /{% endblock %}"
        )

    return spoil


def linked_folder(folder: Path, secret: Path) -> None:
    """A link to a folder, through which a name under ``files:`` goes."""
    (folder / "files" / "d").symlink_to(secret.parent)
    _describe(folder, f"d/{secret.name}")


def pipe(folder: Path, secret: Path) -> None:
    """A named pipe, at which a reader would wait for ever."""
    os.mkfifo(folder / "files" / "pipe")
    _describe(folder, "pipe")


def _describe(folder: Path, name: str) -> None:
    text = name.replace("\\", "\\\\").replace('"', '\\"').replace("\0", "\\0")
    (folder / "overlay.yml").write_text(f'description: x\nwhy: y\nfiles: {{cron: ["{text}"]}}\n')


KINDS: dict[str, Spoiler] = {
    "files-up": named_files("{up}"),
    "files-up-within": named_files("a/../../{up}"),
    "files-absolute": named_files("{secret}"),
    "files-nul": named_files("plain\0x"),
    "files-link": linked("files/stolen"),
    "files-link-folder": linked_folder,
    "files-pipe": pipe,
    "series-up": named_patch("{up}"),
    "series-absolute": named_patch("{secret}"),
    "series-link": linked("patches/cron/series"),
    "series-link-patch": linked("patches/cron/x.patch"),
    "description-link": linked("overlay.yml"),
    "template-link": linked("template-override.j2"),
    "tree-patch-link": linked("tree.patch"),
    "settings-link": linked("kolla-build.conf"),
    "patched-link": tree_patch("new file mode 120000"),
    "patched-link-octal": tree_patch("new file mode 0120000"),
    "patched-link-return": tree_patch("new file mode 120000\r"),
    "patched-link-index": tree_patch("new file mode 100644\nindex 0000000..1111111 120000"),
    "patched-submodule": tree_patch("new file mode 160000"),
    "local-up": settings("[cron]\ntype = local\nlocation = {up}\n"),
    "local-absolute": settings("[cron]\ntype = local\nlocation = {secret}\n"),
    "local-folder": settings("[base-additions-x]\ntype = local\nlocation = {outside}\n"),
    "local-half": settings("[cron]\nlocation = {secret}\n"),
    "local-other-half": settings("[cron]\ntype = local\n"),
    "git-path": settings("[cron]\ntype = git\nlocation = {outside}\n"),
    "git-file": settings("[cron]\ntype = git\nlocation = file://{outside}\n"),
    "git-command": settings("[cron]\ntype = git\nlocation = ext::cat {secret}\n"),
    "git-option": settings("[cron]\ntype = git\nlocation = --upload-pack=cat {secret};x:y\n"),
    "git-reference": settings(
        "[cron]\ntype = git\nlocation = https://h/x\nreference = --orphan=x\n"
    ),
    "url-file": settings("[cron]\ntype = url\nlocation = file://{secret}\n"),
    "docker-dir": settings("[DEFAULT]\ndocker_dir = {outside}\n"),
    "docker-dir-lines": settings("[DEFAULT]\nmaintainer = x\n  docker_dir = {outside}\n"),
    "docker-dir-section": settings("[cron]\nenabled = 1\n  [DEFAULT]\n  docker_dir = {outside}\n"),
    "override": settings("[DEFAULT]\ntemplate_override = {secret}\n"),
    "preferences": settings("[DEFAULT]\napt_preferences = {secret}\n"),
    "repositories": settings("[DEFAULT]\nrepos_yaml = {secret}\n"),
    "sources-list": settings("[DEFAULT]\napt_sources_list = {secret}\n"),
    "patches-path": settings("[DEFAULT]\npatches_path = {outside}\n"),
    "locals-base": settings("[DEFAULT]\nlocals_base = {outside}\n"),
}
