"""Where a small cloud's things lie, and on which ports it listens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: Of the loopback address, the only one that anything listens on.
HOST = "127.0.0.1"

#: Names of the two compute hosts.
ARM_HOST, X86_HOST = "arm-host", "x86-host"

#: How many ports a cloud takes, from its first one on.
PORTS = 10


@dataclass(frozen=True)
class Layout:
    """One cloud's folders and ports.

    :param folder: absolute; everything it keeps is under it.
    :param first_port: Keystone's; the others follow.
    """

    folder: Path
    first_port: int

    def port(self, place: int) -> int:
        return self.first_port + place

    @property
    def keystone_port(self) -> int:
        return self.port(0)

    @property
    def glance_port(self) -> int:
        return self.port(1)

    @property
    def compute_port(self) -> int:
        return self.port(2)

    @property
    def placement_port(self) -> int:
        return self.port(3)

    @property
    def network_port(self) -> int:
        return self.port(4)

    @property
    def proxy_port(self) -> int:
        return self.port(5)

    @property
    def database_port(self) -> int:
        return self.port(6)

    @property
    def rabbit_port(self) -> int:
        """RabbitMQ's, for clients; its nodes' own and their name server's are the next two."""
        return self.port(7)

    def url(self, port: int) -> str:
        return f"http://{HOST}:{port}"

    @property
    def clouds_yaml(self) -> Path:
        """How openstacksdk reaches the cloud."""
        return self.folder / "clouds.yaml"

    def part(self, name: str) -> Path:
        """The folder of one of its services."""
        return self.folder / name

    @property
    def libvirt_socket(self) -> Path:
        return self.part("libvirt") / "run" / "libvirt-sock"

    @property
    def libvirt_uri(self) -> str:
        """How to reach its libvirt, not the machine's: for nova-compute, and for virsh."""
        return f"qemu+unix:///system?socket={self.libvirt_socket}"
