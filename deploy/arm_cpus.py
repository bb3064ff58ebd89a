"""The CPUs of a cloud's ARM compute hosts: guests can be moved between equal ones alone.

libvirt knows no CPU models on ARM, so Nova gives guests the host's own (host-passthrough), with
which live migration works between identical CPUs only: get_cpu_mode in
https://opendev.org/openstack/nova/src/branch/master/nova/virt/libvirt/driver.py
A CPU is known by its main ID register:
https://docs.kernel.org/arch/arm64/cpu-feature-registers.html
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from core.kolla_ansible.toolchain import AnsibleToolchain
from core.run import run

#: Implementers with servers; source: "MIDR_EL1" in the Arm Architecture Reference Manual and
#: https://github.com/util-linux/util-linux/blob/master/sys-utils/lscpu-arm.c
_IMPLEMENTERS = {
    0x41: "Arm", 0x42: "Broadcom", 0x43: "Cavium", 0x46: "Fujitsu", 0x48: "HiSilicon",
    0x4E: "NVIDIA", 0x50: "APM", 0x51: "Qualcomm", 0x61: "Apple", 0x6D: "Microsoft",
    0x70: "Phytium", 0xC0: "Ampere",
}  # fmt: skip

REGISTER = "/sys/devices/system/cpu/cpu0/regs/identification/midr_el1"
_SECONDS = 120


def cpu_name(register: int) -> str:
    """A main ID register for a person, such as ``Cavium part 0xa1 r1p1``."""
    implementer, part = register >> 24 & 0xFF, register >> 4 & 0xFFF
    maker = _IMPLEMENTERS.get(implementer, f"implementer {implementer:#04x}")
    return f"{maker} part {part:#05x} r{register >> 20 & 0xF}p{register & 0xF}"


def differing(cpus: Mapping[str, int]) -> str:
    """A warning for a person; empty where all are the same.

    :param cpus: each host's main ID register.
    """
    groups: dict[int, list[str]] = {}
    for host, register in cpus.items():
        groups.setdefault(register, []).append(host)
    if len(groups) < 2:
        return ""
    listed = "; ".join(f"{cpu_name(cpu)}: {', '.join(hosts)}" for cpu, hosts in groups.items())
    return (
        "the ARM compute hosts have different CPUs, and live migration between those fails "
        f"({listed}); make a host aggregate of each kind, and flavors for it"
    )


def ask(
    hosts: Sequence[str], inventory: Path, tools: AnsibleToolchain, register: str = REGISTER
) -> dict[str, int]:
    """Each host's main ID register; a host that doesn't tell is left out.

    :param inventory: the inventory's folder.
    :param register: the path of the file in which the hosts' kernels have it.
    """
    with tempfile.TemporaryDirectory(prefix="kollarm-arm-cpus-") as folder:
        run(
            [
                *(tools.program("ansible"), ",".join(hosts), "-i", inventory, "--tree", folder),
                *("-m", "command", "-a", f"cat {register}"),
            ],
            env={"ANSIBLE_NOCOLOR": "1"},
            check=False,
            timeout=_SECONDS,
        )
        found = {}
        for host in hosts:
            with suppress(OSError, ValueError, TypeError, KeyError):
                found[host] = int(json.loads((Path(folder) / host).read_bytes())["stdout"], 16)
        return found
