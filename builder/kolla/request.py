"""A request to render a release's templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from builder.facts import ImageFiles
from core.config.model import Architecture, Distro


@dataclass(frozen=True)
class TemplateChanges:
    """The changes that overlays make to a release's templates, for one rendering."""

    override: str = ""
    """The composed template override; empty for none."""
    files: ImageFiles = field(default_factory=dict)
    """Files added to the build contexts, by their paths there."""
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Sections of kolla-build.conf."""
    tree_patches: tuple[tuple[str, str], ...] = ()
    """(overlay's name, unified diff) for the template tree, in order."""
    repositories: Mapping[str, Mapping[str, Mapping[str, object]]] = field(default_factory=dict)
    """Changes of Kolla's repos.yaml: distribution → repository → key → value."""
    preferences: str = ""
    """Apt preferences for every image."""
    patches: ImageFiles = field(default_factory=dict)
    """For Kolla's ``patches_path``: a quilt ``series`` and the patches it names, applied to files
    in the image.
    """


@dataclass(frozen=True)
class RenderRequest:
    """Everything a rendering depends on besides the release."""

    architecture: Architecture
    distro: Distro
    changes: TemplateChanges = TemplateChanges()

    @property
    def options(self) -> dict[str, str | list[str]]:
        """The ``[DEFAULT]`` section of kolla-build.conf, by Kolla's own names."""
        return {
            **self.changes.settings.get("DEFAULT", {}),
            "base": self.distro.value,
            # before Zed images came as packages of the distribution ("binary") too
            "install_type": "source",
            "quiet": "true",
        }

    @property
    def sections(self) -> dict[str, dict[str, str]]:
        """The other sections of kolla-build.conf."""
        return {
            name: dict(section)
            for name, section in self.changes.settings.items()
            if name != "DEFAULT"
        }

    @property
    def required(self) -> list[str]:
        """The options that the release must know."""
        required = sorted(self.changes.settings.get("DEFAULT", {}))
        required += ["template_override"] if self.changes.override else []
        required += ["patches_path"] if self.changes.patches else []
        required += ["repos_yaml"] if self.changes.repositories else []
        required += ["apt_preferences"] if self.changes.preferences else []
        return required

    def to_dict(self) -> dict[str, object]:
        """The request as plain data, part of the key under which its rendering is cached."""
        return {
            "architecture": self.architecture,
            "options": self.options,
            "sections": self.sections,
            "override": self.changes.override,
            "required": self.required,
            "files": printable(self.changes.files),
            "tree_patches": self.changes.tree_patches,
            "patches": printable(self.changes.patches),
            "environ": {},  # renderings of earlier versions have it in their keys
            # only where there are any, for the keys of earlier versions
            **({"repositories": self.changes.repositories} if self.changes.repositories else {}),
            **({"preferences": self.changes.preferences} if self.changes.preferences else {}),
        }


def printable(files: ImageFiles) -> dict[str, dict[str, str]]:
    """Files as JSON can hold them."""
    return {
        image: {path: content.hex() for path, content in added.items()}
        for image, added in files.items()
    }
