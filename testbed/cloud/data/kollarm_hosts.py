"""Nova's libvirt driver for hosts that simulate servers of one architecture.

They report that architecture only, although QEMU could run others, so that the scheduler places
images as in a real cloud of two architectures.
This runs in Nova's virtual environment and imports nothing of kollarm.
"""

from typing import Any

from nova.virt.libvirt.driver import LibvirtDriver  # type: ignore[import-not-found]


class _HostDriver(LibvirtDriver):  # type: ignore[misc]
    """The libvirt driver, offering one architecture only."""

    architecture: str

    def get_available_resource(self, nodename: str) -> dict[str, Any]:
        resources: dict[str, Any] = super().get_available_resource(nodename)
        resources["supported_instances"] = [
            instance
            for instance in resources["supported_instances"]
            if instance[0] == self.architecture
        ]
        return resources


class ArmHostDriver(_HostDriver):
    """An ARM server."""

    architecture = "aarch64"


class X86HostDriver(_HostDriver):
    """An x86 server."""

    architecture = "x86_64"
