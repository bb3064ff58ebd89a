"""Where the configuration and the credentials of the deployed cloud are."""

from __future__ import annotations

from pathlib import Path

import yaml

from core.config.deploy import Deploy
from core.config.model import Config

#: The administrator's entry in the clouds.yaml that kolla-ansible writes.
CLOUD = "kolla-admin"


def config_dir(config: Config, deploy: Deploy) -> Path:
    """Kolla's configuration folder on this machine."""
    return deploy.config_dir or config.state_dir / "deploy"


def clouds_file(config: Config) -> Path | None:
    """The clouds.yaml that the stage post-deploy wrote; None before that."""
    path = config_dir(config, config.deploy) / "clouds.yaml" if config.deploy else None
    return path if path is not None and path.is_file() else None


def openrc_file(config: Config) -> Path | None:
    """The credentials file of releases without clouds.yaml (Rocky); None before post-deploy."""
    path = config_dir(config, config.deploy) / "admin-openrc.sh" if config.deploy else None
    return path if path is not None and path.is_file() else None


def cloud_names(clouds_yaml: Path) -> frozenset[str]:
    """The names of the clouds in a clouds.yaml."""
    data = yaml.safe_load(clouds_yaml.read_text())
    return frozenset(data["clouds"])
