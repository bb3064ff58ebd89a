"""After post-deploy: protecting the credentials, and what the user can do next."""

from __future__ import annotations

import shlex
from pathlib import Path

from deploy.credentials import CLOUD, CLOUDS, OPENRC
from deploy.settings import Settings


def restrict_credentials(folder: Path) -> None:
    """Let only their owner read the credentials, which kolla-ansible writes for everybody."""
    for name in (CLOUDS, *(p.name for p in folder.glob("*-openrc*.sh"))):
        path = folder / name
        if path.is_file() and path.stat().st_mode & 0o077:
            path.chmod(0o600)


def next_steps(settings: Settings) -> str:
    """The commands that log in, boot an ARM guest and open its console."""
    folder = settings.config_dir
    clouds, openrc = folder / CLOUDS, folder / OPENRC
    vips = settings.deploy.vips
    address = vips.external_fqdn or vips.external or vips.internal_fqdn or vips.internal
    credentials, log_in = openrc, f". {shlex.quote(str(openrc))}"
    if clouds.is_file():
        credentials = clouds
        log_in = f"export OS_CLIENT_CONFIG_FILE={shlex.quote(str(clouds))} OS_CLOUD={CLOUD}"
    image = shlex.quote(settings.guests[0]) if settings.guests else "IMAGE"
    publish = "kollarm guest publish" + ("" if settings.guests else " FILE --name IMAGE")
    return "\n".join(
        [
            f"The cloud answers at {address}; credentials of its administrator: {credentials}",
            f"Horizon: user admin, password: keystone_admin_password in {folder / 'passwords.yml'}",
            "An ARM guest with a console:",
            f"  {log_in}",
            f"  {publish}",
            "  openstack flavor create --vcpus 2 --ram 2048 --disk 10 arm.small",
            f"  openstack server create --image {image} --flavor arm.small --network NETWORK "
            "--wait guest1",
            "  openstack console url show --novnc guest1",
        ]
    )
