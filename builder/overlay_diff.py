"""The effect of overlays on an image's Dockerfile."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from builder.context import dockerfile
from builder.overlays.model import Overlay, choose
from builder.plan import select
from builder.rendering import render_all
from core.config.model import Architecture, Config


def dockerfile_diff(config: Config, image: str, *, architecture: Architecture) -> str:
    """A unified diff of an image's Dockerfile, without overlays and with the configuration's.

    :returns: "" when they change nothing in it.
    :raises ConfigError: there is no such image, or an overlay is wrong.
    """
    chosen = choose(config.build.overlays, config.overlay_dirs)

    build = config.build.model_copy(update={"overlay_variables": {}})
    plain = config.model_copy(update={"build": build})

    def lines(config: Config, overlays: Sequence[Overlay]) -> list[str]:
        tree = render_all(config, overlays, [architecture])[architecture]
        select({architecture: tree}, {architecture: [image]})
        text = (tree.images[image].context / "Dockerfile").read_text(encoding="utf-8")
        return dockerfile.essence(dockerfile.without_date(text)).splitlines()

    names = f"{image}/Dockerfile", f"{image}/Dockerfile with overlays"
    changes = difflib.unified_diff(lines(plain, []), lines(config, chosen), *names, lineterm="")
    return "".join(f"{line}\n" for line in changes)
