"""An overlay's folder: ``overlay.yml`` and the files beside it.

docs/overlays.md describes it for authors of overlays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from builder.facts import ImageFiles
from builder.kolla.releases import spans
from builder.overlays import kolla_build
from builder.overlays.own_folder import (
    faults_of_entries,
    faults_of_files,
    faults_of_series,
    faults_of_tree_patch,
    patches_of,
)
from core.config.model import Architecture, Distro
from core.errors import ConfigError, Fault
from core.suggest import nearest_or_known
from core.untrusted_names import path_inside
from core.yaml_faults import Position, YamlFile, dotted, explain

#: File names inside an overlay's folder.
DESCRIPTION = "overlay.yml"
TEMPLATE = "template-override.j2"
FILES = "files"
TREE_PATCH = "tree.patch"
PATCHES = "patches"
KOLLA_BUILD = kolla_build.NAME
REPOSITORIES = "repos.yaml"
PREFERENCES = "apt-preferences"


class OverlaySection(BaseModel):
    """The base of every section of an overlay.yml: no unknown keys, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AppliesTo(OverlaySection):
    """Where an overlay applies; an empty list means everywhere."""

    releases: list[str] = Field(default_factory=list)
    """``2025.1+`` is that release and all later ones."""
    distros: list[Distro] = Field(default_factory=list)
    architectures: list[Architecture] = Field(default_factory=list)
    images: list[str] = Field(default_factory=list)
    """Kolla images by name; blocks and variables then hold for these alone."""


class Variable(OverlaySection):
    """A variable that the configuration may set (``build.overlay_variables``)."""

    description: str
    default: str | None = None
    """Its value when the configuration sets none; without a default it must be set."""


class Description(OverlaySection):
    """overlay.yml."""

    description: str
    why: str
    """Why it exists, in words or as a link."""
    applies_to: AppliesTo = AppliesTo()
    needs: list[str] = Field(default_factory=list)
    """Overlays that must come before it."""
    replaces: list[str] = Field(default_factory=list)
    """Blocks and variables of earlier overlays that it replaces."""
    variables: dict[str, Variable] = Field(default_factory=dict)
    files: dict[str, list[str]] = Field(default_factory=dict)
    """Image → folders or files under ``files/`` that its build context gets."""
    inputs: dict[Literal["ca_certificates"], list[str]] = Field(default_factory=dict)
    """Facts about this machine that kollarm hands over (docs/overlays.md), each with the images
    whose build contexts get its files.
    """


@dataclass(frozen=True)
class Overlay:
    """An overlay, as read from its folder."""

    name: str
    folder: Path
    description: Description
    template: str | None
    """The text of ``template-override.j2``, None when there is none."""

    @property
    def template_path(self) -> Path:
        return self.folder / TEMPLATE

    def applies(self, release: str, distro: Distro, architecture: Architecture) -> bool:
        """Whether it applies to the images of this release, distribution and architecture."""
        where = self.description.applies_to
        return (
            (not where.releases or spans(where.releases, release))
            and (not where.distros or distro in where.distros)
            and (not where.architectures or architecture in where.architectures)
        )

    def context_files(self) -> ImageFiles:
        """Image → (path in its build context → content), from ``files/``.

        :raises ConfigError: a file that overlay.yml names isn't there.
        """
        added: dict[str, dict[str, bytes]] = {}
        faults = []
        root = self.folder / FILES
        for image, names in self.description.files.items():
            for name in names:
                start = path_inside(root, name, of=f"overlay {self.name}")
                found = [start] if start.is_file() else sorted(start.rglob("*"))
                if not found:
                    faults.append(
                        Fault(str(self.folder / DESCRIPTION), f"files/{name} is missing or empty")
                    )
                for path in found:
                    if path.is_file():
                        relative = path.relative_to(root).as_posix()
                        place = f"overlays/{self.name}/{relative}"
                        added.setdefault(image, {})[place] = path.read_bytes()
        if faults:
            raise ConfigError(f"files of overlay {self.name} are missing", faults)
        return added

    def tree_patch(self) -> str | None:
        """The unified diff against Kolla's template tree; None when there is none."""
        path = self.folder / TREE_PATCH
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def image_patches(self) -> ImageFiles:
        """Image → (file name → content), from ``patches/IMAGE/``.

        :raises ConfigError: a folder has no ``series``, or it names a missing patch.
        """
        found: dict[str, dict[str, bytes]] = {}
        faults = []
        root = self.folder / PATCHES
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            series = folder / "series"
            if not series.is_file():
                faults.append(Fault(str(folder), "has no series file", "list its patches in it"))
                continue
            found[folder.name] = {}
            for number, name in patches_of(series):
                path = path_inside(folder, name, of=f"overlay {self.name}")
                if not path.is_file():
                    faults.append(Fault(f"{series}:{number}", f"there is no patch {name!r}"))
                    continue
                found[folder.name][name] = path.read_bytes()
        if faults:
            raise ConfigError(f"the patches of overlay {self.name} are incomplete", faults)
        return found


def read(folder: Path) -> Overlay:
    """Read one overlay.

    :raises ConfigError: its overlay.yml is missing or wrong, it names or links to something outside
        of its folder, or asks for what kollarm doesn't carry out; with all faults.
    """
    path = folder / DESCRIPTION
    if faults := list(faults_of_entries(folder)):
        raise ConfigError(f"overlay {folder.name} leads out of its folder", faults)
    try:
        file = YamlFile(path.read_text(encoding="utf-8"), path)
        description = Description.model_validate(file.data)
        template = folder / TEMPLATE
        text = template.read_text(encoding="utf-8") if template.is_file() else None
    except OSError as error:
        raise ConfigError(
            f"overlay {folder.name} can't be read", [Fault(str(path), error.strerror or str(error))]
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"overlay {folder.name} can't be read",
            [Fault(str(folder), f"not UTF-8: {error.reason} at byte {error.start}")],
        ) from error
    except ValidationError as error:
        faults = []
        for one in error.errors():
            position = tuple(one["loc"])
            faults.append(Fault(file.where(position), *explain(one, position, Description)))
        raise ConfigError(f"overlay {folder.name} is wrong", faults) from error
    overlay = Overlay(name=folder.name, folder=folder, description=description, template=text)
    if faults := list(_faults_of_content(overlay)):
        raise ConfigError(f"overlay {folder.name} can't be used", faults)
    return overlay


def _faults_of_content(overlay: Overlay) -> Iterator[Fault]:
    folder = overlay.folder
    yield from faults_of_files(
        folder / FILES, overlay.description.files, place_of(folder / DESCRIPTION, ("files",))
    )
    yield from faults_of_series(folder / PATCHES)
    yield from faults_of_tree_patch(overlay.tree_patch() or "", str(folder / TREE_PATCH))
    yield from kolla_build.faults_of(folder)


def place_of(path: Path, position: Position) -> str:
    """The place of a key in an overlay.yml: path, line and key."""
    try:
        return YamlFile(path.read_text(encoding="utf-8"), path).where(position)
    except (OSError, ConfigError):
        return f"{path}: {dotted(position)}"


def available(folders: Sequence[Path]) -> dict[str, Path]:
    """Overlay name → its folder; of two with one name the earlier search folder's wins."""
    found: dict[str, Path] = {}
    for folder in folders:
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if (path / DESCRIPTION).is_file():
                    found.setdefault(path.name, path)
    return found


def choose(names: Sequence[str], folders: Sequence[Path]) -> list[Overlay]:
    """Read the named overlays, in their order but each after those it requires.

    :raises ConfigError: one is unknown or wrong, requires another that isn't
        chosen, or two require each other; all faults at once.
    """
    known = available(folders)
    faults: list[Fault] = []
    chosen: dict[str, Overlay] = {}
    for name in names:
        if name not in known:
            hint = nearest_or_known(name, known)
            faults.append(Fault("build.overlays", f"no overlay {name!r}", hint))
            continue
        try:
            chosen[name] = read(known[name])
        except ConfigError as error:
            faults += error.faults
    for overlay in chosen.values():
        faults += [
            Fault(
                str(overlay.folder / DESCRIPTION),
                f"requires the overlay {need!r}",
                "add it to build.overlays",
            )
            for need in overlay.description.needs
            if need not in names
        ]
    ordered: list[Overlay] = []
    visiting: list[str] = []

    def visit(overlay: Overlay) -> None:
        if overlay in ordered:
            return
        if overlay.name in visiting:
            faults.append(
                Fault(str(overlay.folder / DESCRIPTION), f"requires itself through {visiting}")
            )
            return
        visiting.append(overlay.name)
        for need in overlay.description.needs:
            if need in chosen:
                visit(chosen[need])
        visiting.pop()
        ordered.append(overlay)

    for overlay in list(chosen.values()):
        visit(overlay)
    if faults:
        raise ConfigError("the overlays can't be used", faults)
    return ordered
