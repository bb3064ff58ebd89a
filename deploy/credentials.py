"""Where the configuration and the credentials of the deployed cloud are."""

from __future__ import annotations

from pathlib import Path

import yaml

from core.config.deploy import Deploy
from core.config.model import Config

#: The administrator's entry in the clouds.yaml that kolla-ansible writes.
CLOUD = "kolla-admin"

CLOUDS, OPENRC = "clouds.yaml", "admin-openrc.sh"


def config_dir(config: Config, deploy: Deploy) -> Path:
    """Kolla's configuration folder on this machine."""
    return deploy.config_dir or config.state_dir / "deploy"


def credentials_file(config: Config, name: str) -> Path | None:
    """A file that the stage post-deploy wrote; None before that.

    :param name: :data:`CLOUDS`, or :data:`OPENRC` in releases without it (Rocky).
    """
    path = config_dir(config, config.deploy) / name if config.deploy else None
    return path if path is not None and path.is_file() else None


def cloud_names(clouds_yaml: Path) -> frozenset[str]:
    """The names of the clouds in a clouds.yaml."""
    data = yaml.safe_load(clouds_yaml.read_text(encoding="utf-8"))
    return frozenset(data["clouds"])
