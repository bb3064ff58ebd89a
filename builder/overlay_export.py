"""Overlays as files for Kolla's own tools: kolla-build, and kayobe, which calls it."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.facts import RenderedTree
from builder.kolla import releases
from builder.kolla.render import render, repositories
from builder.kolla.request import RenderRequest
from builder.kolla.toolchain import KollaToolchain, toolchain
from builder.lint.patches import patched
from builder.overlays.model import Overlay, choose
from builder.rendering import requests_of
from core.config.model import Config
from core.errors import ConfigError, Fault
from core.files import write
from core.untrusted_names import path_inside

CONFIGURATION = "kolla-build.conf"


@dataclass(frozen=True)
class OverlayExport:
    """What was written: for each architecture a folder, with the names in it."""

    folders: Mapping[Path, tuple[str, ...]]

    def to_dict(self) -> dict[str, object]:
        return {str(folder): list(names) for folder, names in self.folders.items()}

    def to_text(self) -> str:
        lines = [f"{folder}: {', '.join(names)}" for folder, names in self.folders.items()]
        last = list(self.folders)[-1]
        return "\n".join([*lines, f"use it with: kolla-build --config-file {last / CONFIGURATION}"])


def export(config: Config, target: Path) -> OverlayExport:
    """Write the files for each of the configuration's architectures.

    :param target: a new or empty folder.
    :raises ConfigError: the folder has something in it, or an overlay is wrong.
    :raises KollarmError: a template doesn't render.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} isn't an empty folder", hint="name one that doesn't exist")
    kolla = toolchain(releases.find(config.release), config.build.kolla)
    overlays = choose(config.build.overlays, config.overlay_dirs)
    written = {}
    for request in requests_of(config, overlays, list(config.build.engines)):
        tree = render(kolla, request)
        applying = [
            one
            for one in overlays
            if one.applies(config.release, config.build.distro, request.architecture)
        ]
        folder = target.absolute() / request.architecture.value
        _write(folder, kolla, request, tree, applying)
        written[folder] = tuple(
            sorted(f"{one.name}/" if one.is_dir() else one.name for one in folder.iterdir())
        )
    return OverlayExport(written)


def _write(
    folder: Path,
    kolla: KollaToolchain,
    request: RenderRequest,
    tree: RenderedTree,
    overlays: Sequence[Overlay],
) -> None:
    changes = request.changes
    options = {name: str(value) for name, value in request.options.items()}
    options = {name: options[name] for name in options if name in tree.known_options}
    del options["quiet"]
    options["base_arch"] = request.architecture.value
    templates = tree.images["base"].context.parent
    for image, added in changes.files.items():
        for name, content in added.items():
            place = folder / "docker" / tree.images[image].context.relative_to(templates)
            write(path_inside(place, name, of="an overlay"), content)
    for template, path in _patched_templates(tree, overlays):
        write(folder / "docker" / template, path.read_bytes(), mode=path.stat().st_mode & 0o777)
    if (folder / "docker").exists():
        options["docker_dir"] = str(folder / "docker")
    for image, series in changes.patches.items():
        options["patches_path"] = str(folder / "patches")
        for name, content in series.items():
            write(path_inside(folder / "patches" / image, name, of="an overlay"), content)
    for option, name, text in (
        ("template_override", "template-override.j2", changes.override),
        ("apt_preferences", "apt-preferences", changes.preferences),
        ("repos_yaml", "repos.yaml", repositories(kolla, changes) if changes.repositories else ""),
    ):
        if text:
            options[option] = str(folder / name)
            write(folder / name, text)
    sections = {name: dict(section) for name, section in request.sections.items()}
    for name, section in sections.items():
        if section.get("type") == "local":
            section["location"] = str(_copied(Path(section["location"]), folder / "sources" / name))
    lines = []
    for name, section in {"DEFAULT": options, **sections}.items():
        lines += [f"[{name}]", *(f"{key} = {_plain(section[key])}" for key in sorted(section)), ""]
    write(folder / CONFIGURATION, "\n".join(lines))


def _plain(value: str) -> str:
    return value.replace("$", "$$")  # oslo.config's own references begin with $


def _copied(source: Path, into: Path) -> Path:
    into.mkdir(parents=True)
    if source.is_dir():
        return Path(shutil.copytree(source, into / source.name, symlinks=True))
    return Path(shutil.copy2(source, into / source.name))


def _patched_templates(
    tree: RenderedTree, overlays: Sequence[Overlay]
) -> Iterator[tuple[Path, Path]]:
    """The files of the template tree that tree patches change or add: name, and path of a copy."""
    with patched(tree.templates, overlays) as (copy, faults):
        for path in sorted(tree.templates.rglob("*")):
            name = path.relative_to(tree.templates)
            if path.is_file() and not (copy / name).is_file():
                faults.append(
                    Fault(str(name), "is removed by a tree patch: this can't be exported")
                )
        if faults:
            raise ConfigError("the overlays can't be exported", faults)
        for path in sorted(copy.rglob("*")):
            name = path.relative_to(copy)
            own = tree.templates / name
            if path.is_file() and not (own.is_file() and filecmp.cmp(path, own, shallow=False)):
                yield name, path
