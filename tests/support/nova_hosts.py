"""What Nova and Placement say of compute hosts, for a stand-in of both."""

from __future__ import annotations

from typing import Any


def hypervisor(number: int, arch: str, model: str) -> dict[str, Any]:
    """A host ``host1``, as Nova describes it."""
    return {
        "id": f"h{number}",
        "hypervisor_hostname": f"host{number}",
        "service": {"host": f"host{number}"},
        "cpu_info": {"arch": arch, "model": model, "vendor": "ARM", "features": []},
    }


def cloud(hosts: list[dict[str, Any]], aggregates: list[list[str]], spec: str) -> dict[str, object]:
    """The documents, for :func:`tests.support.api_stand_in.standing_in`.

    :param aggregates: the names of each one's hosts.
    :param spec: what the only flavor requires, such as ``trait:HW_ARCH_AARCH64``.
    """
    documents: dict[str, object] = {
        "/os-hypervisors/detail": {"hypervisors": hosts},
        "/flavors/detail": {
            "flavors": [
                {
                    "id": "f",
                    "name": "arm",
                    "ram": 1,
                    "vcpus": 1,
                    "disk": 0,
                    "extra_specs": {spec: "required"},
                }
            ]
        },
        "/os-aggregates": {
            "aggregates": [
                {"id": n, "name": f"a{n}", "hosts": names} for n, names in enumerate(aggregates)
            ]
        },
    }
    for trait in ("HW_ARCH_AARCH64", "HW_ARCH_RISCV64"):
        having = [one for one in hosts if trait == f"HW_ARCH_{one['cpu_info']['arch'].upper()}"]
        documents[f"/resource_providers?required={trait}"] = {"resource_providers": having}
    return documents


#: Two kinds of ARM hosts, and one x86 host.
MIXED = [
    hypervisor(1, "aarch64", "Neoverse-N1"),
    hypervisor(2, "aarch64", "ThunderX2"),
    hypervisor(3, "x86_64", "EPYC"),
]
