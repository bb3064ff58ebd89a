"""The cloud that ``kollarm deploy`` made: where its configuration and its credentials lie."""

from __future__ import annotations

from pathlib import Path

import yaml

from core.config.deploy import Deploy
from core.config.model import Config

#: The cloud that kolla-ansible's clouds.yaml names first.
CLOUD = "kolla-admin"


def config_dir(config: Config, deploy: Deploy) -> Path:
    """Kolla's configuration folder on this machine."""
    return deploy.config_dir or config.state_dir / "deploy"


def clouds_file(config: Config) -> Path | None:
    """The clouds.yaml that post-deploy left, for publishing to the cloud just made."""
    path = config_dir(config, config.deploy) / "clouds.yaml" if config.deploy else None
    return path if path is not None and path.is_file() else None


def openrc_file(config: Config) -> Path | None:
    """The credentials that a release writes which has no clouds.yaml (Rocky)."""
    path = config_dir(config, config.deploy) / "admin-openrc.sh" if config.deploy else None
    return path if path is not None and path.is_file() else None


def cloud_names(clouds_yaml: Path) -> frozenset[str]:
    """The clouds that a clouds.yaml has."""
    data = yaml.safe_load(clouds_yaml.read_text())
    return frozenset(data["clouds"])
