"""Two small images to build: base, and cron with a step that the test chooses."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from core.config.model import Architecture

IMAGES = ("base", "cron")

_OVERLAY = Path("dockerfile_overlays", "test")


def write(
    folder: Path,
    registry: str,
    architectures: Iterable[Architecture] = (Architecture.X86_64,),
) -> Path:
    """Their configuration, for a registry at an address; the overlay comes from :func:`step`."""
    config = folder / "kollarm.yml"
    build = {
        "images": list(IMAGES),
        "engines": {architecture.value: {"url": "local"} for architecture in architectures},
        "overlays": ["ca-certificates", "debian-archive-only", _OVERLAY.name],
        "base": {"bootstrap": {"suite": "trixie"}},
    }
    config.write_text(yaml.safe_dump({"registry": {"address": registry}, "build": build}))
    return config


def step(folder: Path, command: str) -> None:
    """Let cron's last step run a shell command; another one than before builds it anew."""
    overlay = folder / _OVERLAY
    overlay.mkdir(parents=True, exist_ok=True)
    (overlay / "overlay.yml").write_text("description: x\nwhy: A test chooses cron's last step.\n")
    (overlay / "template-override.j2").write_text(
        f"{{% block cron_footer %}}RUN {command}{{% endblock %}}\n"
    )
