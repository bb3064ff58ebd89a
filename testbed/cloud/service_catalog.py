"""The entries of Keystone's service catalog, and a flavor."""

from __future__ import annotations

from typing import Any

from testbed.cloud.layout import CloudLayout

_REGION = "RegionOne"

#: Enough for a cloud image: memory in MiB, disk in GiB (0: as large as the image).
FLAVOR, MEMORY, PROCESSORS = "kollarm.small", 1024, 2


def fill(connection: Any, layout: CloudLayout) -> None:
    """Register Nova, Placement and the stand-in for Neutron, if they are missing.

    :param connection: openstacksdk's, as the administrator.
    """
    identity = connection.identity
    known = {service.type for service in identity.services()}
    for name, kind, url in (
        ("nova", "compute", f"{layout.url(layout.compute_port)}/v2.1"),
        ("placement", "placement", layout.url(layout.placement_port)),
        ("neutron", "network", layout.url(layout.network_port)),
    ):
        if kind in known:
            continue
        service = identity.create_service(name=name, type=kind)
        for interface in ("public", "internal", "admin"):
            identity.create_endpoint(
                service_id=service.id, interface=interface, region_id=_REGION, url=url
            )


def add_flavor(connection: Any) -> None:
    """Create the flavor, if it is missing."""
    if connection.compute.find_flavor(FLAVOR) is None:
        connection.compute.create_flavor(name=FLAVOR, ram=MEMORY, vcpus=PROCESSORS, disk=0)
