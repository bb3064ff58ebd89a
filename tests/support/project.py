"""A project that builds two or three small images, with a registry of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from builder import pipeline
from builder.record import BuildRecord
from builder.request import BuildRequest
from core.config.model import Architecture, BaseImage, Bootstrap, Build, Config, Engine, Registry
from tests.support.registries import RunningRegistry

X86 = Architecture.X86_64

OVERLAY = """\
description: What a test changes.
why: To see what a change costs.
"""


@dataclass
class Project:
    """A project folder with an overlay of its own, and a registry."""

    folder: Path
    registry: RunningRegistry

    @property
    def template(self) -> Path:
        return self.folder / "dockerfile_overlays" / "test" / "template-override.j2"

    def config(self, *architectures: Architecture, tag: str = "t") -> Config:
        return Config(
            registry=Registry(address=self.registry.address),
            state_dir=self.folder / "state",
            build=Build(
                tag=tag,
                images=["base", "cron", "memcached"],
                overlays=["ca-certificates", "debian-archive-only", "test"],
                overlay_dir=self.folder / "dockerfile_overlays",
                base=BaseImage(bootstrap=Bootstrap(suite="trixie")),
                engines={architecture: Engine() for architecture in architectures or (X86,)},
            ),
        )

    def stored(self) -> dict[Path, int]:
        """When each of the registry's files was written."""
        files = (self.folder / "registry" / "data").rglob("*")
        return {path: path.stat().st_mtime_ns for path in files}

    def build(self, config: Config, *images: str) -> BuildRecord:
        return pipeline.build(BuildRequest(config, images=images))


def new_project(folder: Path) -> Project:
    """A project whose registry runs."""
    made = Project(folder, RunningRegistry(folder / "registry"))
    made.template.parent.mkdir(parents=True)
    (made.template.parent / "overlay.yml").write_text(OVERLAY)
    made.template.write_text("")
    return made
