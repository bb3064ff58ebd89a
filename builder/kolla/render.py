"""A release's templates, rendered by its own Kolla for one architecture.

Kolla's templates branch on ``base_arch``, so every architecture is rendered by
itself.  Rendering names no registry and no tag: the parent of an image is put
into its Dockerfile when it is built, so that one rendering serves every
registry and the same content has the same key everywhere.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from importlib.resources import as_file, files
from pathlib import Path

import yaml

from builder.context import dockerfile
from builder.facts import ImageSource, RenderedImage, RenderedTree
from builder.kolla.request import RenderRequest, TemplateChanges
from builder.kolla.toolchain import KollaToolchain
from core import cache, progress
from core.config.model import Architecture
from core.errors import CommandError, ConfigError, Fault, KollarmError
from core.files import write
from core.run import run
from core.suggest import did_you_mean
from core.untrusted_names import UnsafeNameError, links_out_of, path_inside

#: Raised when renderings of the same request differ.
RECIPE = 1

#: Seconds after which an unused rendering is removed: every change of an overlay
#: leaves one of a few megabytes.
LIFETIME = 30 * 24 * 3600.0

#: Namespace and tag in rendered FROM lines; :mod:`builder.context.dockerfile` replaces them.
NAMESPACE = "kollarm.invalid/rendered"
TAG = "rendered"


def render(kolla: KollaToolchain, request: RenderRequest) -> RenderedTree:
    """The release's whole template tree for one architecture, from the cache if it is there.

    :raises KollarmError: a template doesn't render.
    :raises ConfigError: the release doesn't have a required option, or an
        image that files are added to.
    """
    with as_file(files("builder.kolla") / "data" / "kolla_driver.py") as driver:
        key = cache.digest(
            {
                "recipe": RECIPE,
                "chain": kolla.identity,
                "driver": cache.file_digest(driver),
                "request": request.to_dict(),
            }
        )

        def make(folder: Path) -> None:
            title = f"render the templates for {request.architecture}"
            with progress.current().step(title) as step:
                _render(kolla, request, driver, folder)
                step.note(f"{len(list(folder.glob('docker/**/Dockerfile')))} Dockerfiles")

        name = f"{kolla.identity}-{request.architecture}-{key}"
        folder = cache.entry("rendered", name, make, lifetime=LIFETIME)
    return read(folder, request.architecture)


def _render(kolla: KollaToolchain, request: RenderRequest, driver: Path, folder: Path) -> None:
    options: dict[str, str | list[str]] = {
        **request.options,
        "base_arch": request.architecture.value,
        "namespace": NAMESPACE,
        "tag": TAG,
    }
    changes = request.changes
    if changes.override:
        override = folder / "template-override.j2"
        write(override, changes.override)
        options["template_override"] = str(override)
    tree_patches = []
    for number, (name, diff) in enumerate(changes.tree_patches):
        tree_patches.append(folder / f"{number}-{name}" / "tree.patch")
        write(tree_patches[-1], diff)
    if changes.repositories:
        options["repos_yaml"] = str(folder / "repos.yaml")
        write(folder / "repos.yaml", repositories(kolla, changes))
    if changes.preferences:
        options["apt_preferences"] = str(folder / "apt-preferences")
        write(folder / "apt-preferences", changes.preferences)
    if changes.patches:
        options["patches_path"] = str(folder / "patches")
        for image, series in changes.patches.items():
            place = path_inside(folder / "patches", image, of="an overlay")
            for file_name, data in series.items():
                write(path_inside(place, file_name, of="an overlay"), data)
    write(
        folder / "request.json",
        json.dumps(
            {
                "options": options,
                "sections": request.sections,
                "environ": {},
                "work_dir": str(folder),
                "tree_patches": [str(path) for path in tree_patches],
            }
        ),
    )
    try:
        run(
            [kolla.python, driver, folder / "request.json", folder / "result.json"],
            timeout=600,
            cwd=folder,
        )
    except CommandError as error:
        lines = [line for line in error.output.strip().splitlines() if line.strip()]
        raise KollarmError(
            f"Kolla's templates don't render for {request.architecture}: "
            f"{lines[-1] if lines else error.message}",
            hint="kollarm lint names the overlay at fault",
            details=error.details,
        ) from error
    if link := next(links_out_of(folder), None):
        raise UnsafeNameError(
            f"an overlay makes {link.relative_to(folder)} a link that leads out of the templates"
        )
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    missing = sorted(set(request.required) & set(result["ignored_options"]))
    if missing:
        raise ConfigError(
            f"Kolla {result['kolla_version']} has no option {', '.join(missing)}",
            hint="choose a newer release, or leave out the overlay that sets it",
        )
    paths = {
        image["name"]: folder / result["working_dir"] / image["path"] for image in result["images"]
    }
    _complete(changes, folder, paths)


def repositories(kolla: KollaToolchain, changes: TemplateChanges) -> str:
    """The release's own repos.yaml with the overlays' changes, as YAML.

    :raises ConfigError: the release has none, or not for such a distribution.
    """
    place = "lib/python*/site-packages/kolla/template/repos.yaml"
    path = next(kolla.python.parent.parent.glob(place), None)
    if path is None:
        raise ConfigError("this Kolla has no repos.yaml", hint="use a block of its templates")
    known = yaml.safe_load(path.read_text(encoding="utf-8"))
    faults = []
    for distribution, changed in changes.repositories.items():
        if distribution not in known:
            remedy = did_you_mean(distribution, known)
            faults.append(Fault("repos.yaml", f"Kolla has nothing for {distribution!r}", remedy))
            continue
        for name, keys in changed.items():
            known[distribution][name] = {**known[distribution].get(name, {}), **keys}
    if faults:
        raise ConfigError("overlays change repositories that the release doesn't have", faults)
    return yaml.safe_dump(known)


def _complete(changes: TemplateChanges, folder: Path, paths: Mapping[str, Path]) -> None:
    """Complete the rendered folders to build contexts."""
    unknown = sorted(set(changes.files) - set(paths))
    if unknown:
        raise ConfigError(
            "overlays add files to images that the release doesn't have",
            [Fault(name, "no such image") for name in unknown],
        )
    base = (paths["base"] / "Dockerfile").read_text(encoding="utf-8")
    if changes.preferences and "COPY apt_preferences " not in base:
        raise ConfigError("overlays have apt preferences, which this distribution doesn't use")
    for image, added in changes.files.items():
        for name, content in added.items():
            write(path_inside(paths[image], name, of="an overlay"), content)
    for path in paths.values() if changes.patches else ():
        if not (path / "patches" / "series").is_file():
            write(
                path / "Dockerfile",
                dockerfile.without_patching((path / "Dockerfile").read_text(encoding="utf-8")),
            )
    for rubbish in [*folder.rglob("__pycache__"), *folder.rglob("Dockerfile.j2")]:
        # not part of any build, but it would be in every context and so in every key
        shutil.rmtree(rubbish) if rubbish.is_dir() else rubbish.unlink()


def read(folder: Path, architecture: Architecture) -> RenderedTree:
    """A rendering from its folder."""
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
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
            labels=image["labels"],
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
