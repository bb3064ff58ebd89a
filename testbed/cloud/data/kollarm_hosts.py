"""Nova's libvirt driver on hosts that stand for servers of one architecture each.

The scheduler is told of that one alone, whatever else the machine's QEMU could run, so
that in a cloud of two architectures images go where they would go in a real one.
It runs in Nova's virtual environment and imports nothing of kollarm's.
"""

from typing import Any

from nova.virt.libvirt.driver import LibvirtDriver  # type: ignore[import-not-found]


class _HostDriver(LibvirtDriver):  # type: ignore[misc]
    """The libvirt driver, offering one architecture only."""

    architecture: str

    def get_available_resource(self, nodename: str) -> dict[str, Any]:
        resources: dict[str, Any] = super().get_available_resource(nodename)
        offered = resources["supported_instances"]
        resources["supported_instances"] = [one for one in offered if one[0] == self.architecture]
        return resources


class ArmHostDriver(_HostDriver):
    """An ARM server."""

    architecture = "aarch64"


class X86HostDriver(_HostDriver):
    """An x86 server."""

    architecture = "x86_64"
