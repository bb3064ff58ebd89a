"""A host of the other architecture: a virtual machine in the networks of the others.

Its image is Debian's, made by :mod:`testbed.guest_image` and prepared by :mod:`guestprep`; what is
its own (name, addresses, keys) comes from a cloud-init seed:
https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from core import cache, progress
from core.config.model import Guest
from core.errors import CommandError, KollarmError
from core.run import run
from guestprep import pipeline
from guestprep.boot.machine import QEMU, choose_accelerator, find_firmware
from testbed import guest_image

#: Of Debian 13, without any graphics driver: as arm64 servers are installed, and as clouds use it.
LAYOUT = "debian-13-genericcloud"
#: The disk's size; the image grows to it at its first start.
DISK = "40G"
#: Of the machine: MiB, and processors.
MEMORY, PROCESSORS = 4096, 2
#: What Ansible needs, as on the other hosts.
PACKAGES = ("ca-certificates", "gnupg", "python3-apt")
#: Seconds until it answers by ssh: emulated, systemd and cloud-init take many minutes.
BOOT = 3600.0


def base_image() -> Path:
    """The prepared image that the hosts' disks are based on; made on first use.

    :raises KollarmError: it can't be made or prepared.
    """
    source = guest_image.make(guest_image.LAYOUTS[LAYOUT])
    guest = Guest.model_validate_json(
        json.dumps({"name": LAYOUT, "source": {"path": str(source.image), "sha256": source.sha256}})
    )

    def prepare(folder: Path) -> None:
        pipeline.prepare(guest, folder / "host.qcow2")

    key = cache.digest({"source": source.sha256, "recipe": 1})
    return cache.entry("test-host", f"{LAYOUT}-{key}", prepare) / "host.qcow2"


@dataclass(frozen=True)
class ArmNetwork:
    """Where the machine's two interfaces are, and how it reaches the rest."""

    bridges: tuple[str, str]
    """The bridges of the network with addresses and of the one without."""
    address: str
    """With the length of its prefix: ``172.20.255.253/16``."""
    gateway: str
    interfaces: tuple[str, str]
    """What the two are called within."""


@dataclass(frozen=True)
class ArmHost:
    """A virtual machine with its files."""

    name: str
    folder: Path
    """Its own: disk, seed, serial console."""

    @property
    def tag(self) -> str:
        """Distinguishes its network interfaces from those of other machines."""
        return cache.digest({"folder": str(self.folder.absolute())})[:8]

    @property
    def taps(self) -> tuple[str, str]:
        """The machine's ends of its network cables; at most 15 characters."""
        return f"ka{self.tag}a", f"ka{self.tag}e"

    @property
    def macs(self) -> tuple[str, str]:
        """Locally administered addresses: the second digit is 2."""
        pairs = ":".join(self.tag[at : at + 2] for at in range(0, 8, 2))
        return f"52:0a:{pairs}", f"52:0e:{pairs}"

    @property
    def running(self) -> bool:
        return self._process() is not None

    def start(self, network: ArmNetwork, user_data: Mapping[str, object]) -> None:
        """Make what is missing, and start it.

        :raises KollarmError: QEMU doesn't start, or there is no right to make network interfaces.
        """
        if self.running:
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        disk, seed = self.folder / "disk.qcow2", self.folder / "seed.img"
        if not disk.exists():
            base = base_image()
            run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, disk, DISK])
        write_seed(seed, self.name, user_data, network_config(network, self.macs))
        firmware = find_firmware()
        if not (self.folder / "variables.fd").exists():
            shutil.copyfile(firmware.variables, self.folder / "variables.fd")
        for tap, bridge in zip(self.taps, network.bridges, strict=True):
            run(["ip", "link", "delete", tap], check=False)
            run(["ip", "tuntap", "add", "dev", tap, "mode", "tap"], hint="run it as root")
            run(["ip", "link", "set", tap, "master", bridge, "up"])
        accelerator = choose_accelerator(firmware).value
        run(self.command(firmware.code, accelerator), timeout=120)

    def command(self, firmware: Path, accelerator: str) -> list[str | Path]:
        """QEMU's command line: a server without a screen."""
        here = self.folder
        emulated = accelerator == "tcg"
        pages = "tcg,thread=multi,tb-size=1024" if emulated else accelerator
        # an emulated machine has KVM, as real ARM servers have: its guests aren't emulated twice
        machine = "virt,gic-version=3,virtualization=on" if emulated else "virt"
        cables = [
            word
            for tap, mac in zip(self.taps, self.macs, strict=True)
            for word in (
                *("-netdev", f"tap,id={tap},ifname={tap},script=no,downscript=no"),
                *("-device", f"virtio-net-pci,netdev={tap},mac={mac}"),
            )
        ]
        return [
            *(QEMU, "-name", self.name, "-nodefaults", "-display", "none", "-daemonize"),
            *("-machine", machine, "-cpu", "cortex-a57" if emulated else "host"),
            *("-accel", pages, "-m", str(MEMORY), "-smp", str(PROCESSORS)),
            *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={firmware}"),
            *("-drive", f"if=pflash,unit=1,format=raw,file={here / 'variables.fd'}"),
            *("-drive", f"if=none,id=disk,cache=unsafe,format=qcow2,file={here / 'disk.qcow2'}"),
            *("-device", "virtio-blk-pci,drive=disk,bootindex=0"),
            *("-drive", f"if=none,id=seed,readonly=on,format=raw,file={here / 'seed.img'}"),
            *("-device", "virtio-blk-pci,drive=seed"),
            *("-object", "rng-random,id=rng,filename=/dev/urandom"),
            *("-device", "virtio-rng-pci,rng=rng"),
            *cables,
            *("-serial", f"file:{here / 'serial.log'}", "-pidfile", str(here / "pid")),
        ]

    def await_ssh(
        self, ssh: Sequence[str | Path], step: progress.RunningStep, limit: float = BOOT
    ) -> None:
        """Wait until cloud-init has finished and ssh answers.

        :param ssh: the command that logs in, without what is to be run.
        :param step: shows the last line of the serial console.
        :raises KollarmError: it takes too long, or the machine has ended.
        """
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            if not self.running:
                break
            # a machine that still starts may take longer for an answer
            with contextlib.suppress(CommandError):
                asked = run([*ssh, "cloud-init", "status"], check=False, timeout=120)
                if "status: done" in asked.stdout:
                    return
            step.note(self._last_line())
            time.sleep(5)
        raise KollarmError(
            f"the host {self.name} doesn't come up", hint=f"see {self.folder / 'serial.log'}"
        )

    def stop(self) -> bool:
        """End it and remove its network interfaces and files; return whether there was one."""
        existed = self.folder.exists()
        if (process := self._process()) is not None:
            os.kill(process, signal.SIGKILL)
        for tap in self.taps:
            run(["ip", "link", "delete", tap], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        return existed

    def _last_line(self) -> str:
        with contextlib.suppress(OSError):
            log = (self.folder / "serial.log").read_text(errors="replace")
            if lines := [line for line in log.splitlines() if line.strip()]:
                return lines[-1].strip()[:100]
        return ""

    def _process(self) -> int | None:
        """QEMU's process, unless the number has gone to another one since."""
        with contextlib.suppress(OSError, ValueError):
            number = int((self.folder / "pid").read_text())
            words = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
            if os.fsencode(str(self.folder / "pid")) in words:
                return number
        return None


def network_config(network: ArmNetwork, macs: tuple[str, str]) -> dict[str, object]:
    """cloud-init's network configuration, version 2."""
    api, external = network.interfaces
    return {
        "version": 2,
        "ethernets": {
            api: {
                "match": {"macaddress": macs[0]},
                "set-name": api,
                "addresses": [network.address],
                "routes": [{"to": "0.0.0.0/0", "via": network.gateway}],
            },
            external: {"match": {"macaddress": macs[1]}, "set-name": external},
        },
    }


def write_seed(
    path: Path, name: str, user_data: Mapping[str, object], network: Mapping[str, object]
) -> None:
    """Write the disk that cloud-init reads at the first start: FAT, with the label CIDATA."""
    with path.open("wb") as stream:
        stream.truncate(2 << 20)
    run(["mformat", "-i", path, "-v", "CIDATA", "-T", "4096", "-h", "16", "-s", "32", "::"])
    contents = {
        "meta-data": yaml.safe_dump({"instance-id": name, "local-hostname": name}),
        "user-data": "#cloud-config\n" + yaml.safe_dump(dict(user_data), sort_keys=False),
        "network-config": yaml.safe_dump(dict(network), sort_keys=False),
    }
    for file, text in contents.items():
        run(["mcopy", "-i", path, "-", f"::{file}"], stdin=text.encode())


def user_data(
    name: str,
    *,
    public_key: str,
    host_key: tuple[str, str],
    programs: Mapping[str, str],
    authorities: Sequence[str],
    name_servers: Sequence[str],
) -> dict[str, object]:
    """What cloud-init does at the first start.

    :param host_key: ssh's, private and public, so that it is known beforehand.
    :param programs: what to write, by path.
    :param authorities: certificates, in PEM, that it trusts besides Debian's.
    """
    resolver = "".join(f"nameserver {server}\n" for server in name_servers)
    return {
        "hostname": name,
        "manage_etc_hosts": True,
        "users": [
            {
                "name": "kolla",
                "shell": "/bin/bash",
                "sudo": "ALL=(ALL) NOPASSWD: ALL",
                "ssh_authorized_keys": [public_key],
            }
        ],
        "ssh_keys": {"ed25519_private": host_key[0], "ed25519_public": host_key[1]},
        "ssh_genkeytypes": [],
        "bootcmd": [
            ["systemctl", "enable", "--now", "systemd-networkd"],
            ["sh", "-c", f"printf %s '{resolver}' >/etc/resolv.conf"],
        ],
        "write_files": [
            {"path": path, "permissions": "0755", "content": content}
            for path, content in programs.items()
        ],
        "ca_certs": {"trusted": list(authorities)},
        "package_update": True,
        "packages": list(PACKAGES),
    }


def name_servers(resolv_conf: str) -> list[str]:
    """The servers of a resolv.conf(5)."""
    lines = (line.split() for line in resolv_conf.splitlines())
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
