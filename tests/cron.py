"""Two small images to build: base, and cron with a step that the test chooses."""

from __future__ import annotations

from pathlib import Path

import yaml

CONFIG = "kollarm.yml"
_OVERLAY = Path("dockerfile_overlays", "test")


def write(folder: Path, registry: str) -> Path:
    """Their configuration, for x86_64 and a registry at an address; :func:`step` goes first."""
    config = folder / CONFIG
    build = {
        "images": ["base", "cron"],
        "engines": {"x86_64": {"url": "local"}},
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
