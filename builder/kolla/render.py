"""A release's templates, rendered by its own Kolla for one architecture.

Kolla's templates branch on ``base_arch``, so every architecture is rendered by
itself.  Rendering names no registry and no tag: the parent of an image is put
into its Dockerfile when it is built, so that one rendering serves every
registry and the same content has the same key everywhere.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import as_file, files
from pathlib import Path

from builder.context import dockerfile
from builder.facts import ImageSource, RenderedImage, RenderedTree
from builder.kolla.toolchain import KollaToolchain
from core import cache, progress
from core.config.model import Architecture
from core.errors import CommandError, ConfigError, Fault, KollarmError
from core.files import write
from core.run import run

#: Raised when something else is made of what Kolla renders.
RECIPE = 1

#: Seconds after which a rendering that nobody has asked for goes: every change of an overlay
#: leaves one of a few megabytes.
LIFETIME = 30 * 24 * 3600.0

#: Namespace and tag in rendered FROM lines; :mod:`builder.context.dockerfile` replaces them.
NAMESPACE = "kollarm.invalid/rendered"
TAG = "rendered"


@dataclass(frozen=True)
class RenderRequest:
    """Everything a rendering depends on besides the release."""

    architecture: Architecture
    options: Mapping[str, str | list[str]]
    """Kolla-build.conf's ``[DEFAULT]``, by Kolla's own names."""
    sections: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Its other sections."""
    override: str = ""
    """The composed template override; empty for none."""
    required: Sequence[str] = ()
    """Options that the release must know."""
    files: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    """Image name → (path in its build context → content), added to the contexts."""
    tree_patches: Sequence[tuple[str, str]] = ()
    """(overlay's name, unified diff) for the template tree, in order."""
    patches: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    """Image name → (file name → content), for Kolla's ``patches_path``: a quilt ``series`` and the
    patches it names, applied to files in the image.
    """
    environ: Mapping[str, str] = field(default_factory=dict)


def render(chain: KollaToolchain, request: RenderRequest) -> RenderedTree:
    """The release's whole template tree for one architecture, from the cache if it is there.

    :raises KollarmError: a template doesn't render.
    :raises ConfigError: the release lacks an option that is required, or an
        image that files are added to.
    """
    with as_file(files("builder.kolla") / "data" / "kolla_driver.py") as driver:
        plain = asdict(request) | {
            "files": printable(request.files),
            "patches": printable(request.patches),
        }
        key = cache.digest(
            {
                "recipe": RECIPE,
                "chain": chain.identity,
                "driver": cache.file_digest(driver),
                "request": plain,
            }
        )

        def make(folder: Path) -> None:
            title = f"render the templates for {request.architecture}"
            with progress.current().step(title) as step:
                _render(chain, request, driver, folder)
                step.note(f"{len(list(folder.glob('docker/**/Dockerfile')))} Dockerfiles")

        name = f"{chain.identity}-{request.architecture}-{key}"
        folder = cache.entry("rendered", name, make, lifetime=LIFETIME)
    return read(folder, request.architecture)


def _render(chain: KollaToolchain, request: RenderRequest, driver: Path, folder: Path) -> None:
    options: dict[str, str | list[str]] = {
        **request.options,
        "base_arch": request.architecture.value,
        "namespace": NAMESPACE,
        "tag": TAG,
    }
    if request.override:
        override = folder / "template-override.j2"
        write(override, request.override)
        options["template_override"] = str(override)
    tree_patches = []
    for number, (name, diff) in enumerate(request.tree_patches):
        tree_patches.append(folder / f"{number}-{name}" / "tree.patch")
        write(tree_patches[-1], diff)
    if request.patches:
        options["patches_path"] = str(folder / "patches")
        for image, series in request.patches.items():
            for file_name, data in series.items():
                write(folder / "patches" / image / file_name, data)
    write(
        folder / "request.json",
        json.dumps(
            {
                "options": options,
                "sections": {name: dict(section) for name, section in request.sections.items()},
                "environ": dict(request.environ),
                "work_dir": str(folder),
                "tree_patches": [str(path) for path in tree_patches],
            }
        ),
    )
    try:
        run(
            [chain.python, driver, folder / "request.json", folder / "result.json"],
            timeout=600,
            cwd=folder,
        )
    except CommandError as error:
        lines = [line for line in error.output.strip().splitlines() if line.strip()]
        raise KollarmError(
            f"Kolla's templates don't render for {request.architecture}: "
            f"{lines[-1] if lines else error.message}",
            hint="kollarm lint says which overlay is at fault",
            details=error.details,
        ) from error
    result = json.loads((folder / "result.json").read_text())
    missing = sorted(set(request.required) & set(result["ignored_options"]))
    if missing:
        raise ConfigError(
            f"Kolla {result['kolla_version']} has no option {', '.join(missing)}",
            hint="choose a newer release, or leave out what needs it",
        )
    paths = {
        image["name"]: folder / result["working_dir"] / image["path"] for image in result["images"]
    }
    _complete(request, folder, paths)


def _complete(request: RenderRequest, folder: Path, paths: Mapping[str, Path]) -> None:
    """Make build contexts of what Kolla rendered."""
    unknown = sorted(set(request.files) - set(paths))
    if unknown:
        raise ConfigError(
            "overlays add files to images that the release doesn't have",
            [Fault(name, "no such image") for name in unknown],
        )
    for image, added in request.files.items():
        for name, content in added.items():
            write(paths[image] / name, content)
    for path in paths.values() if request.patches else ():
        if not (path / "patches" / "series").is_file():
            write(
                path / "Dockerfile", dockerfile.without_patching((path / "Dockerfile").read_text())
            )
    for rubbish in [*folder.rglob("__pycache__"), *folder.rglob("Dockerfile.j2")]:
        # not part of any build, but it would be in every context and so in every key
        shutil.rmtree(rubbish) if rubbish.is_dir() else rubbish.unlink()


def printable(files: Mapping[str, Mapping[str, bytes]]) -> dict[str, dict[str, str]]:
    """Files as JSON can hold them."""
    return {
        image: {path: content.hex() for path, content in added.items()}
        for image, added in files.items()
    }


def read(folder: Path, architecture: Architecture) -> RenderedTree:
    """A rendering from its folder."""
    result = json.loads((folder / "result.json").read_text())
    root = folder / result["working_dir"]

    def source(section: Mapping[str, object] | None) -> ImageSource | None:
        if not section:
            return None
        sums = section.get("sha256")
        return ImageSource(
            name=str(section["name"]),
            kind=str(section["type"]),
            location=str(section["source"]),
            reference=str(section["reference"]) if section.get("reference") else None,
            sha256=sums.get(architecture.debian) if isinstance(sums, dict) else None,
            enabled=bool(section.get("enabled", True)),
        )

    def listed(sections: Iterable[Mapping[str, object]]) -> tuple[ImageSource, ...]:
        # Kolla walks through a set: the order is another one in every run
        found = [one for one in map(source, sections) if one]
        return tuple(sorted(found, key=lambda one: one.name))

    images = {
        image["name"]: RenderedImage(
            name=image["name"],
            context=root / image["path"],
            parent=image["parent"],
            published=image["published"],
            source=source(image["source"]),
            plugins=listed(image["plugins"]),
            additions=listed(image["additions"]),
            unbuildable=image["status"] == "unbuildable",
        )
        for image in result["images"]
    }
    return RenderedTree(
        architecture=architecture,
        kolla_version=result["kolla_version"],
        base_image=result["base_image"],
        base_tag=result["base_tag"],
        images=images,
        templates=Path(result["templates"]),
        template_names=frozenset(result["template_names"]),
        distros=frozenset(result["distros"]),
        known_options=frozenset(result["known_options"]),
        ignored_options=tuple(result["ignored_options"]),
    )
