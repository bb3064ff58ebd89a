"""kolla-build itself, with the same inputs as a run of kollarm."""

from __future__ import annotations

from pathlib import Path

from builder import base_image
from builder.kolla import releases
from builder.overlays.model import choose
from builder.rendering import render_all
from core import venv
from core.config.model import Architecture, Config

#: The namespace of its images.
NAMESPACE = "kollarm-theirs"


def program(release: str = "2026.1") -> Path:
    """kolla-build as its users have it: with the docker package, which Kolla doesn't ask for."""
    (requirement,) = releases.find(release).requirements
    return venv.environment("kolla-build", [requirement, "docker"]) / "bin" / "kolla-build"


def command(config: Config, folder: Path, *images: str) -> list[str | Path]:
    """kolla-build for x86_64 with the same base image and overrides, and nothing pushed.

    :param folder: for its files.
    :param images: their names; those of the configuration have to be there already.
    """
    overlays = choose(config.build.overlays, config.overlay_dirs)
    tree = render_all(config, overlays, [Architecture.X86_64])[Architecture.X86_64]
    name, tag = base_image.of(tree, config.build.base).reference.rsplit(":", 1)
    context = tree.images["base"].context
    override = next(
        file for one in context.parents if (file := one / "template-override.j2").is_file()
    )
    options = folder / "kolla-build.conf"
    options.write_text(
        f"[DEFAULT]\nbase = debian\nbase_image = {name}\nbase_tag = {tag}\npull = false\n"
        f"network_mode = host\nnamespace = {NAMESPACE}\ntag = t\n"
        f"work_dir = {folder / 'work'}\ntemplate_override = {override}\n"
    )
    return [program(config.release), "--config-file", options, *(f"^{image}$" for image in images)]
