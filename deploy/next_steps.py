"""After post-deploy: where the credentials are, and the way to an ARM guest's console."""

from __future__ import annotations

import shlex
from pathlib import Path

from deploy.credentials import CLOUD
from deploy.settings import Settings


def secure(folder: Path) -> list[Path]:
    """Take the credentials that a release writes for everybody to read from the others."""
    changed = []
    for name in ("clouds.yaml", *(p.name for p in folder.glob("*-openrc*.sh"))):
        path = folder / name
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
    image = shlex.quote(given.guests[0]) if given.guests else "IMAGE"
    publish = "kollarm guest publish" + ("" if given.guests else " FILE --name IMAGE")
    return "\n".join(
        [
            f"The cloud answers at {address}; credentials of its administrator: {credentials}",
            f"Horizon: user admin, password: keystone_admin_password in {folder / 'passwords.yml'}",
            "An ARM guest with a console:",
            *(f"  {line}" for line in log_in),
            f"  {publish}",
            "  openstack flavor create --vcpus 2 --ram 2048 --disk 10 arm.small",
            f"  openstack server create --image {image} --flavor arm.small --network NETWORK "
            "--wait guest1",
            "  openstack console url show --novnc guest1",
        ]
    )
