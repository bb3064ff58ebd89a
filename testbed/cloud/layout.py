"""The folders, ports and hosts of a small cloud."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kollarm.services import passwords

#: The only address that its services listen on.
HOST = "127.0.0.1"


@dataclass(frozen=True)
class ComputeHost:
    """A host that runs guests, with its own libvirtd and nova-compute."""

    name: str
    """The host name in Nova and in its libvirtd."""
    architecture: str
    """The one architecture that it offers the scheduler."""
    driver: str
    """Its class of ``data/kollarm_hosts.py``, Nova's driver."""
    suffix: str
    """The suffix of its services' folders."""
    first_display: int
    """The first of the 100 TCP ports for its guests' VNC servers."""

    @property
    def compute(self) -> str:
        """The name of its nova-compute service."""
        return f"nova-compute{self.suffix}"

    @property
    def libvirt(self) -> str:
        """The name of its libvirtd service."""
        return f"libvirt{self.suffix}"


ARM_HOST = ComputeHost("arm-host", "aarch64", "ArmHostDriver", "", 5900)
X86_HOST = ComputeHost("x86-host", "x86_64", "X86HostDriver", "-x86", 6000)

#: How many consecutive ports a cloud uses.
PORTS = 11


@dataclass(frozen=True)
class CloudLayout:
    """One cloud's folders, ports and hosts."""

    folder: Path
    """The absolute path of the folder that holds everything."""
    first_port: int
    """Keystone's port; the others follow."""
    x86_host: bool = False
    """Whether there is an x86 host besides the ARM host."""
    serial: bool = False
    """Whether guests have serial consoles to type at, which other users of this machine can reach
    too.
    """
    signatures: bool = False
    """Whether Nova starts guests of signed images only."""

    @property
    def hosts(self) -> tuple[ComputeHost, ...]:
        return (ARM_HOST, X86_HOST) if self.x86_host else (ARM_HOST,)

    def port(self, offset: int) -> int:
        return self.first_port + offset

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
        """RabbitMQ's port for clients; the next two are for its node and Erlang's name server."""
        return self.port(7)

    @property
    def serial_port(self) -> int:
        """The port of Nova's proxy for serial consoles."""
        return self.port(10)

    def url(self, port: int) -> str:
        return f"http://{HOST}:{port}"

    @property
    def clouds_yaml(self) -> Path:
        """The file with the administrator's credentials."""
        return self.folder / "clouds.yaml"

    def password(self, user: str) -> str:
        """A password of this cloud's own: of Nova in the database, or in the message queue."""
        return passwords.password(self.folder / "passwords", user)

    def service_folder(self, name: str) -> Path:
        """The folder of one of its services."""
        return self.folder / name

    @property
    def certificates(self) -> Path:
        """The folder of the certificates for VNC."""
        return self.folder / "certificates"

    def instances(self, host: ComputeHost) -> Path:
        """The folder of a host's nova-compute, with the disks of its instances."""
        return self.service_folder("nova") / host.name

    def libvirt_socket(self, host: ComputeHost) -> Path:
        return self.service_folder(host.libvirt) / "run" / "libvirt-sock"

    def libvirt_uri(self, host: ComputeHost) -> str:
        """The URI of a host's libvirt, for nova-compute and virsh."""
        return f"qemu+unix:///system?socket={self.libvirt_socket(host)}"
