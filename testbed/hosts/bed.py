"""Starting and removing the hosts."""

from __future__ import annotations

import ipaddress
import json
import shutil
import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core import cache, files, progress
from core.config.model import Architecture
from core.debian_root import RootArchive, host_architecture, root_tarball
from core.errors import ConfigError, KollarmError
from core.run import run
from testbed.hosts.arm import ArmHost, ArmNetwork, name_servers, user_data

SUITE = "trixie"
#: What a freshly installed server has.
PACKAGES = (
    "apt-utils", "ca-certificates", "dbus", "gnupg", "iproute2", "iputils-ping", "kmod",
    "libpam-systemd", "openssh-server", "procps", "python3", "python3-apt", "sudo", "systemd",
    "systemd-sysv",
)  # fmt: skip

#: All but SYS_RESOURCE, which a machine may lack, and then can't give; capabilities(7).
_CAPABILITIES = (
    "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "CHOWN", "DAC_OVERRIDE",
    "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE",
    "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE",
    "NET_BROADCAST", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYSLOG", "SYS_ADMIN",
    "SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO",
    "SYS_TIME", "SYS_TTY_CONFIG", "WAKE_ALARM",
)  # fmt: skip

#: The label of everything that belongs to a bed; its value is the bed's folder.
_LABEL = "kollarm.test-hosts"
#: The runtime of the hosts' own engines: what a container may not do, those in it may not either.
RUNTIME = "/usr/local/bin/runc-within-limits"
#: Seconds for a host's systemd to come up.
_BOOT = 60

_DATA = Path(__file__).parent / "data"
#: Authorities that this machine trusts besides Debian's; ca-certificates(8).
_AUTHORITIES = Path("/usr/local/share/ca-certificates")


@dataclass(frozen=True)
class TestHost:
    """A running host."""

    __test__ = False

    name: str
    address: str
    state: str
    """As systemd has it: ``running``, ``degraded`` …; ``stopped`` where no container runs."""
    architecture: Architecture = Architecture.X86_64

    @property
    def up(self) -> bool:
        return self.state in ("running", "degraded")


class TestBed:
    """Hosts on this machine's engine, in networks of their own.

    :param folder: holds the hosts' ssh key.
    """

    __test__ = False

    def __init__(self, folder: Path):
        self.folder = folder.absolute()
        self.key = self.folder / "id_ed25519"
        self.known_hosts = self.folder / "known_hosts"
        self.prefix = f"kollarm-hosts-{cache.digest({'folder': str(self.folder)})[:8]}"
        self.networks = (f"{self.prefix}-api", f"{self.prefix}-external")
        self.image = f"kollarm-test-host:{SUITE}"

    def up(
        self,
        names: Sequence[str],
        interfaces: tuple[str, str] = ("eth0", "eth1"),
        *,
        arm: Sequence[str] = (),
    ) -> list[TestHost]:
        """Start the hosts that don't run yet.

        :param interfaces: names of the hosts' network interfaces: of the one with an address, and
            of the one without.
        :param arm: names of those that are ARM machines.
        :raises ConfigError: a host of that name has another bed.
        :raises KollarmError: the engine can't start them, or systemd doesn't come up.
        """
        files.private_folder(self.folder)
        if not self.key.exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key])
        if names:
            self._ensure_image()
        for network in self.networks:
            if self._docker("network", "ls", "-q", "-f", f"name=^{network}$") == "":
                self._docker("network", "create", "--label", self._label, network)
        for name in names:
            with progress.current().step(f"host {name}"):
                self._start(name, interfaces)
        machines = [self._arm_host(name) for name in arm]
        for machine in machines:
            with progress.current().step(f"ARM host {machine.name}"):
                self._start_arm(machine, interfaces)
        hosts = self.status()
        lines = [f"{host.address} {self._host_key(host)}\n" for host in hosts]
        files.write(self.known_hosts, "".join(lines))
        for machine in machines:
            with progress.current().step(f"await ARM host {machine.name}") as step:
                machine.await_ssh(self.ssh(self._arm_address(machine.name)), step)
        return self.status()

    def status(self) -> list[TestHost]:
        """The bed's hosts."""
        names = self._docker(
            "ps", "-a", "--format", "{{.Names}}", "-f", f"label={self._label}"
        ).split()
        machines = (self._arm_host(path.name) for path in self._arm_folders())
        return [
            *(self._host(name) for name in sorted(names)),
            *(
                TestHost(
                    machine.name,
                    self._arm_address(machine.name),
                    "running" if machine.running else "stopped",
                    Architecture.AARCH64,
                )
                for machine in machines
            ),
        ]

    def ssh(self, address: str) -> list[str | Path]:
        """The command that logs in to a host, without what is to be run there."""
        return [
            *("ssh", "-i", self.key, "-o", f"UserKnownHostsFile={self.known_hosts}"),
            *("-o", "BatchMode=yes", "-o", "ConnectTimeout=10", f"kolla@{address}"),
        ]

    def down(self) -> int:
        """Remove the hosts, their networks and all data; return how many hosts there were."""
        selected = f"label={self._label}"
        ended = [self._arm_host(path.name).stop() for path in self._arm_folders()]
        containers = self._docker("ps", "-aq", "-f", selected).split()
        if containers:
            self._docker("rm", "-f", "-v", *containers)
        for kind in ("volume", "network"):
            if found := self._docker(kind, "ls", "-q", "-f", selected).split():
                self._docker(kind, "rm", *found)
        shutil.rmtree(self.folder, ignore_errors=True)
        return len(containers) + len(ended)

    @property
    def gateway(self) -> str:
        """This machine's address in the hosts' network: what they pull from listens there."""
        return str(self._network()[1])

    @property
    def free_address(self) -> str:
        """An address of the hosts' network that none of them gets."""
        return str(self._network()[-2])

    def _network(self) -> ipaddress.IPv4Network:
        (network,) = json.loads(self._docker("network", "inspect", self.networks[0]))
        (settings,) = network["IPAM"]["Config"]
        return ipaddress.IPv4Network(settings["Subnet"])

    def _arm_folders(self) -> list[Path]:
        return sorted((self.folder / "arm").glob("*"))

    def _arm_host(self, name: str) -> ArmHost:
        return ArmHost(name, self.folder / "arm" / name)

    def _arm_address(self, name: str) -> str:
        """The engine gives addresses from the network's start, so these are at its end."""
        number = [path.name for path in self._arm_folders()].index(name)
        return str(self._network()[-3 - number])

    def _start_arm(self, machine: ArmHost, interfaces: tuple[str, str]) -> None:
        """Start an ARM machine, with a host key that is known beforehand."""
        files.private_folder(machine.folder.parent)
        files.private_folder(machine.folder)
        key = machine.folder / "host_key"
        if not key.exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])
        bridges = [
            "br-" + self._docker("network", "inspect", "-f", "{{.Id}}", network)[:12]
            for network in self.networks
        ]
        data = user_data(
            machine.name,
            public_key=self.key.with_suffix(".pub").read_text().strip(),
            host_key=(key.read_text(), key.with_suffix(".pub").read_text()),
            programs={RUNTIME: (_DATA / "runc-within-limits").read_text()},
            authorities=[path.read_text() for path in sorted(_AUTHORITIES.glob("*.crt"))],
            name_servers=name_servers(Path("/etc/resolv.conf").read_text()),
        )
        network = ArmNetwork(
            (bridges[0], bridges[1]),
            f"{self._arm_address(machine.name)}/{self._network().prefixlen}",
            self.gateway,
            interfaces,
        )
        machine.start(network, data)

    @property
    def _label(self) -> str:
        return f"{_LABEL}={self.folder}"

    def _ensure_image(self) -> None:
        architecture = host_architecture() or Architecture.X86_64
        tarball = root_tarball(RootArchive(SUITE), architecture, PACKAGES)
        made_from = tarball.parent.name
        known = run(
            ["docker", "image", "inspect", "-f", "{{.Config.Labels.root}}", self.image],
            check=False,
        )
        if known.stdout.strip() != made_from:
            label = f"LABEL root={made_from}"
            change = 'CMD ["/sbin/init"]'
            self._docker("import", "-c", change, "-c", label, str(tarball), self.image)

    def _start(self, name: str, interfaces: tuple[str, str]) -> None:
        found = self._docker("ps", "-a", "--format", "{{.Names}}", "-f", f"name=^{name}$")
        if found:
            owner = self._docker("inspect", "-f", f'{{{{index .Config.Labels "{_LABEL}"}}}}', name)
            if owner != str(self.folder):
                raise ConfigError(
                    f"the engine has a container {name!r} already", hint="choose another name"
                )
            if self._host(name).up:
                return
        else:
            self._create(name)
        self._docker("start", name)
        self._await_systemd(name)
        self._copy_in(name)
        address = self._host(name).address
        self._docker("exec", name, "sh", "/run/prepare-host", name, address, *interfaces)

    def _create(self, name: str) -> None:
        volume = f"{self.prefix}-{name}"
        self._docker("volume", "create", "--label", self._label, volume)
        self._docker(
            *("create", "--name", name, "--hostname", name, "--label", self._label),
            *("--network", self.networks[0]),
            *(word for one in _CAPABILITIES for word in ("--cap-add", one)),
            *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
            *("--security-opt", "systempaths=unconfined", "--device-cgroup-rule", "a *:* rwm"),
            *("--cgroupns=host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
            *("--tmpfs", "/run", "--tmpfs", "/tmp:exec", "--device", "/dev/net/tun"),
            *("-v", "/lib/modules:/lib/modules:ro", "-v", f"{volume}:/var/lib/docker"),
            self.image,
        )
        self._docker("network", "connect", self.networks[1], name)

    def _copy_in(self, name: str) -> None:
        """Put this machine's trust, the key and the programs into a host, as one archive."""
        with tarfile.open(self.folder / "files.tar", "w") as archive:
            archive.add(_DATA / "prepare-host", "run/prepare-host")
            archive.add(self.key.with_suffix(".pub"), "run/kollarm-key.pub")
            runtime = archive.gettarinfo(_DATA / "runc-within-limits", RUNTIME.lstrip("/"))
            runtime.mode, runtime.uid, runtime.gid = 0o755, 0, 0
            with (_DATA / "runc-within-limits").open("rb") as stream:
                archive.addfile(runtime, stream)
            for authority in sorted(_AUTHORITIES.glob("*.crt")):
                archive.add(authority, str(authority).lstrip("/"))
        with (self.folder / "files.tar").open("rb") as stream:
            run(["docker", "exec", "-i", name, "tar", "-x", "-C", "/"], stdin=stream)

    def _await_systemd(self, name: str) -> None:
        deadline = time.monotonic() + _BOOT
        while not (host := self._host(name)).up:
            if time.monotonic() > deadline:
                log = run(["docker", "logs", "--tail", "20", name], check=False)
                raise KollarmError(
                    f"systemd in {name} doesn't come up: {host.state}",
                    details=log.stdout + log.stderr,
                )
            time.sleep(0.5)

    def _host(self, name: str) -> TestHost:
        (found,) = json.loads(self._docker("inspect", name))
        address = found["NetworkSettings"]["Networks"][self.networks[0]]["IPAddress"]
        if not found["State"]["Running"]:
            return TestHost(name, address, "stopped")
        asked = run(["docker", "exec", name, "systemctl", "is-system-running"], check=False)
        return TestHost(name, address, asked.stdout.strip() or "starting")

    def _host_key(self, host: TestHost) -> str:
        if host.architecture is Architecture.AARCH64:
            return (self._arm_host(host.name).folder / "host_key.pub").read_text().strip()
        return self._docker("exec", host.name, "cat", "/etc/ssh/ssh_host_ed25519_key.pub")

    def _docker(self, *words: str) -> str:
        return run(["docker", *words]).stdout.strip()


def deploy_example(bed: TestBed, hosts: Sequence[TestHost]) -> dict[str, object]:
    """The keys of ``deploy`` that these hosts come to."""
    return {
        "hosts": {
            host.name: {"architecture": host.architecture.value, "address": host.address}
            | _without_modules(host)
            for host in hosts
        },
        "ssh": {"user": "kolla", "private_key": str(bed.key)},
        "vips": {"internal": bed.free_address},
        "group_variables": {
            "all": {"ansible_ssh_common_args": f"-o UserKnownHostsFile={bed.known_hosts}"}
        },
        "globals": {
            "docker_custom_config": {
                "runtimes": {"within-limits": {"path": RUNTIME}},
                "default-runtime": "within-limits",
            },
            # a container can't set the machine's clock, and so not keep it synchronized
            "prechecks_enable_host_ntp_checks": False,
            # HAProxy's usual 40,000 need more open files than a machine may allow
            "haproxy_max_connections": 4000,
            # libvirt can't raise limits that a container was given
            "qemu_max_files": 0,
            "qemu_max_processes": 0,
            # a container has some of the kernel's settings only
            "set_sysctl": False,
            # the kernel's own is a module, which a machine may not have
            "ovs_datapath": "netdev",
        },
    }


def _without_modules(host: TestHost) -> dict[str, dict[str, list[str]]]:
    """Where no modules can be loaded, Open vSwitch's container gets the host's own modprobe.

    Containers have this machine's kernel, virtual machines Debian's.
    """
    if host.architecture is Architecture.AARCH64 or Path("/proc/modules").exists():
        return {}
    modprobe = "/usr/local/sbin/modprobe:/usr/sbin/modprobe:ro"
    return {"variables": {"openvswitch_vswitchd_extra_volumes": [modprobe]}}
