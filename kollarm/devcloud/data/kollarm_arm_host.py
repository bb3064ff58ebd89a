"""Nova's libvirt driver on a host that stands for an ARM server.

The scheduler is told of ARM alone, whatever else the machine's QEMU could run, so
that in a cloud of two architectures images go where they would go in a real one.
It runs in Nova's virtual environment and imports nothing of kollarm's.
"""

from typing import Any

from nova.virt.libvirt.driver import LibvirtDriver  # type: ignore[import-not-found]


class ArmHostDriver(LibvirtDriver):  # type: ignore[misc]
    """The libvirt driver, offering aarch64 only."""

    def get_available_resource(self, nodename: str) -> dict[str, Any]:
        resources: dict[str, Any] = super().get_available_resource(nodename)
        offered = resources["supported_instances"]
        resources["supported_instances"] = [one for one in offered if one[0] == "aarch64"]
        return resources
