"""After post-deploy: where the credentials are, and the way to an ARM guest's console."""

from __future__ import annotations

import shlex
from pathlib import Path

from kollarm.config.deploy import Deploy
from kollarm.config.model import Config
from kollarm.deploy.settings import Settings, settings

#: The cloud that kolla-ansible's clouds.yaml names first.
CLOUD = "kolla-admin"


def clouds_file(config: Config, deploy: Deploy) -> Path | None:
    """The clouds.yaml that post-deploy left, for publishing to the cloud just made."""
    path = settings(config, deploy).config_dir / "clouds.yaml"
    return path if path.is_file() else None


def secure(config_dir: Path) -> list[Path]:
    """Take the credentials that a release writes for everybody to read from the others."""
    changed = []
    for name in ("clouds.yaml", *(p.name for p in config_dir.glob("*-openrc*.sh"))):
        path = config_dir / name
        if path.is_file() and path.stat().st_mode & 0o077:
            path.chmod(0o600)
            changed.append(path)
    return changed


def closing_note(given: Settings) -> str:
    """How to log in, boot an ARM guest and open its console."""
    folder = given.config_dir
    clouds, openrc = folder / "clouds.yaml", folder / "admin-openrc.sh"
    vips = given.deploy.vips
    address = vips.external_fqdn or vips.external or vips.internal_fqdn or vips.internal
    if clouds.is_file():
        credentials = str(clouds)
        log_in = [
            f"export OS_CLIENT_CONFIG_FILE={shlex.quote(str(clouds))} OS_CLOUD={CLOUD}",
        ]
    else:
        credentials = str(openrc)
        log_in = [f". {shlex.quote(str(openrc))}"]
    return "\n".join(
        [
            f"The cloud answers at {address}; credentials of its administrator: {credentials}",
            f"Horizon: user admin, password: keystone_admin_password in {folder / 'passwords.yml'}",
            "An ARM guest with a console:",
            *(f"  {line}" for line in log_in),
            "  kollarm guest publish",
            "  openstack server create --image IMAGE --flavor FLAVOR --network NETWORK guest1",
            "  openstack console url show --novnc guest1",
        ]
    )
