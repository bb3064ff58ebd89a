"""Where a small cloud's things lie, and on which ports it listens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: Of the loopback address, the only one that anything listens on.
HOST = "127.0.0.1"


@dataclass(frozen=True)
class ComputeHost:
    """One of the hosts that guests run on: a libvirtd and a nova-compute of its own."""

    name: str
    """In Nova, and the host name that its libvirtd sees."""
    architecture: str
    """What it offers the scheduler."""
    driver: str
    """Nova's, in ``data/kollarm_hosts.py``."""
    suffix: str
    """Of its services' folders."""
    first_display: int
    """The first TCP port of its guests' VNC servers; a hundred are its."""

    @property
    def compute(self) -> str:
        """The folder of its nova-compute."""
        return f"nova-compute{self.suffix}"

    @property
    def libvirt(self) -> str:
        """The folder of its libvirtd."""
        return f"libvirt{self.suffix}"


ARM_HOST = ComputeHost("arm-host", "aarch64", "ArmHostDriver", "", 5900)
X86_HOST = ComputeHost("x86-host", "x86_64", "X86HostDriver", "-x86", 6000)

#: How many ports a cloud takes, from its first one on.
PORTS = 10


@dataclass(frozen=True)
class CloudLayout:
    """One cloud's folders, ports and hosts."""

    folder: Path
    """Absolute; everything it keeps is under it."""
    first_port: int
    """Keystone's; the others follow."""
    x86_host: bool = False
    """Whether there is an x86 host beside the ARM one."""

    @property
    def hosts(self) -> tuple[ComputeHost, ...]:
        return (ARM_HOST, X86_HOST) if self.x86_host else (ARM_HOST,)

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

    def libvirt_socket(self, host: ComputeHost) -> Path:
        return self.part(host.libvirt) / "run" / "libvirt-sock"

    def libvirt_uri(self, host: ComputeHost) -> str:
        """How to reach a host's libvirt, not the machine's: for nova-compute, and for virsh."""
        return f"qemu+unix:///system?socket={self.libvirt_socket(host)}"
