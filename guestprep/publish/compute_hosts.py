"""What a cloud's compute hosts mean for guests of two architectures, as far as Nova tells it.

Nova tells hosts and flavors to administrators only. An option of nova.conf can't be seen from
outside: where one matters, the finding is a note.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests
from keystoneauth1 import exceptions as auth_errors
from openstack import exceptions as sdk_errors

from guestprep.target import ARCHITECTURE

#: What the libraries raise where a service is absent, or refuses.
UNSEEN = (auth_errors.ClientException, sdk_errors.SDKException)

#: The last version of Nova's API that tells a hypervisor's CPU (2.88 removed it).
_WITH_CPU = "2.53"

#: The first version of Placement's API that tells which hosts have a trait.
_WITH_TRAITS = "1.18"

#: Traits of hosts by architecture: https://docs.openstack.org/os-traits/latest/reference/
_TRAIT = "HW_ARCH_"


@dataclass(frozen=True)
class HypervisorFacts:
    """One compute host."""

    name: str
    architecture: str | None
    cpu: str | None
    """Its CPU, with all that a guest may see of it; None where Nova doesn't tell."""


@dataclass(frozen=True)
class CloudFinding:
    """Something about the cloud itself."""

    subject: str
    reason: str
    remedy: str
    note: bool = False
    """Whether it may well be right, which can't be seen."""


def look(connection: Any) -> list[HypervisorFacts] | None:
    """The compute hosts; None where this user can't see them.

    :param connection: of :func:`guestprep.publish.connect`.
    """
    try:
        answer = connection.compute.get("/os-hypervisors/detail", microversion=_WITH_CPU)
        if answer.status_code >= 400:
            return None
        return [_host(data) for data in answer.json()["hypervisors"]]
    except UNSEEN:
        return None


def _host(data: Mapping[str, Any]) -> HypervisorFacts:
    cpu = data.get("cpu_info") or {}
    if isinstance(cpu, str):
        cpu = json.loads(cpu or "{}")
    told = {key: cpu.get(key) for key in ("vendor", "model")}
    told["features"] = sorted(cpu.get("features") or ())
    known = json.dumps(told, sort_keys=True) if any(told.values()) else None
    service = data.get("service") or {}
    name = service.get("host") or data["hypervisor_hostname"]
    return HypervisorFacts(str(name), cpu.get("arch"), known)


def _missing(connection: Any, trait: str) -> bool:
    """Whether Placement knows of no host with a trait; False where that can't be seen."""
    try:
        answer = connection.placement.get(
            f"/resource_providers?required={trait}", microversion=_WITH_TRAITS
        )
    except UNSEEN:
        return False
    if answer.ok:
        return not answer.json()["resource_providers"]
    return bool(answer.status_code == requests.codes.bad_request and trait in answer.text)


def examine(connection: Any, *, unlabelled: int) -> list[CloudFinding]:
    """What this cloud's hosts need; nothing where they can't be seen.

    :param unlabelled: how many images have no architecture.
    """
    hosts = look(connection)
    if not hosts:
        return []
    try:
        flavors = {
            flavor.name: dict(flavor.extra_specs or {})
            for flavor in connection.compute.flavors(get_extra_specs=True)
        }
        aggregates = [frozenset(one.hosts or ()) for one in connection.compute.aggregates()]
    except UNSEEN:
        flavors, aggregates = {}, []
    return [
        *_unlabelled(hosts, unlabelled),
        *_unlike(hosts, aggregates),
        *_unmet(connection, flavors),
        *_ports(hosts),
    ]


def _unlabelled(hosts: Sequence[HypervisorFacts], images: int) -> Iterator[CloudFinding]:
    kinds = sorted({host.architecture for host in hosts if host.architecture})
    if len(kinds) > 1 and images:
        yield CloudFinding(
            "nova-scheduler",
            f"there are hosts of {', '.join(kinds)}, and {images} images without architecture may "
            "be started on any",
            "openstack image set --property architecture=x86_64 on each, and in nova.conf of "
            "nova-scheduler: [scheduler] image_metadata_prefilter = true",
            note=True,
        )


def _unlike(
    hosts: Sequence[HypervisorFacts], aggregates: Iterable[frozenset[str]]
) -> Iterator[CloudFinding]:
    """ARM guests get the host's own CPU, so that only between equal ones they can be moved."""
    groups: dict[str, list[str]] = {}
    for host in hosts:
        if host.architecture == ARCHITECTURE and host.cpu:
            groups.setdefault(host.cpu, []).append(host.name)
    apart = list(aggregates)
    for number, names in enumerate(groups.values(), 1):
        if len(groups) < 2 or any(set(names) <= one and _pure(one, names, hosts) for one in apart):
            continue
        name = f"arm-cpu-{number}"
        commands = [
            ["openstack", "aggregate", "create", "--property", f"arm_cpu={number}", name],
            *(["openstack", "aggregate", "add", "host", name, host] for host in names),
        ]
        yield CloudFinding(
            ", ".join(names),
            "ARM hosts with another CPU than other ARM hosts: live migration between them fails",
            " && ".join(map(shlex.join, commands))
            + f"; then flavors with aggregate_instance_extra_specs:arm_cpu={number}",
        )


def _pure(
    aggregate: frozenset[str], names: Sequence[str], hosts: Sequence[HypervisorFacts]
) -> bool:
    """Whether an aggregate has no ARM host besides these."""
    others = {host.name for host in hosts if host.architecture == ARCHITECTURE} - set(names)
    return not aggregate & others


def _unmet(connection: Any, flavors: Mapping[str, Mapping[str, str]]) -> Iterator[CloudFinding]:
    """Flavors that require an architecture's trait that no host has."""
    required = [
        (flavor, key, key.removeprefix("trait:"))
        for flavor, specs in flavors.items()
        for key, value in specs.items()
        if key.startswith(f"trait:{_TRAIT}") and value == "required"
    ]
    absent = {trait for trait in {trait for *_, trait in required} if _missing(connection, trait)}
    for flavor, key, trait in required:
        if trait in absent:
            words = ["openstack", "flavor", "unset", "--property", key, flavor]
            yield CloudFinding(
                f"flavor {flavor}",
                f"it requires {trait}, which no host has: nothing can be started with it",
                shlex.join(words),
            )


def _ports(hosts: Sequence[HypervisorFacts]) -> Iterator[CloudFinding]:
    names = [host.name for host in hosts if host.architecture == ARCHITECTURE]
    if names:
        yield CloudFinding(
            ", ".join(names),
            "guests of ARM hosts have few free slots for further volumes and ports, unless Nova "
            "gives them more",
            "nova.conf of these hosts: [libvirt] num_pcie_ports = 16",
            note=True,
        )
