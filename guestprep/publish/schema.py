"""Checking the user's own properties against what the cloud knows.

Glance has metadata definitions (https://docs.openstack.org/glance/latest/user/glancemetadefcatalogapi.html),
which its administrator loads.  A name they don't have may be right nevertheless
(traits, the user's own), so only one that looks like a misspelt one is a fault.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from guestprep.publish.cloud import Glance, GlanceError
from guestprep.publish.model import MARKS
from guestprep.publish.properties import ARM64
from guestprep.publish.wire import ATTRIBUTES
from kollarm.errors import Fault

#: Names that Nova and Glance give a meaning, in whatever definitions a cloud has.
COMMON = frozenset(
    {
        *ARM64,
        "architecture",
        "os_distro",
        "os_version",
        "os_admin_user",
        "os_type",
        "kernel_id",
        "ramdisk_id",
        "hw_emulation_architecture",
        "hw_input_bus",
        "hw_cdrom_bus",
        "hw_vif_model",
        "hw_qemu_guest_agent",
    }
)

#: How alike two names have to be for one to be the other's misspelling (difflib's ratio).
ALIKE = 0.85


@dataclass(frozen=True)
class Definition:
    """What a cloud says of one property.

    :param allowed: the only values; empty where there is no such list.
    :param integer: whether it is a whole number, in ``minimum`` … ``maximum``.
    """

    allowed: tuple[str, ...] = ()
    integer: bool = False
    minimum: int | None = None
    maximum: int | None = None


def definitions(glance: Glance) -> dict[str, Definition]:
    """The cloud's own definitions of image properties, by name; empty where it offers none."""
    try:
        spaces = glance.read("/metadefs/namespaces?resource_types=OS::Glance::Image&limit=1000")[
            "namespaces"
        ]
        found: dict[str, Definition] = {}
        for space in spaces:
            # Naming the resource type gives the names with the prefix that images use.
            path = f"/metadefs/namespaces/{space['namespace']}?resource_type=OS::Glance::Image"
            properties = glance.read(path).get("properties", {})
            found |= {name: _definition(data) for name, data in properties.items()}
    except GlanceError as error:
        if error.status not in (403, 404):
            raise
        return {}
    return found


def faults(properties: Mapping[str, str], known: Mapping[str, Definition]) -> list[Fault]:
    """What is wrong with a user's properties."""
    return [fault for name, value in properties.items() for fault in _of(name, value, known)]


def _of(name: str, value: str, known: Mapping[str, Definition]) -> Iterable[Fault]:
    where = f"properties.{name}"
    if name in ATTRIBUTES:
        yield Fault(where, "an attribute of images, not a property", "take it out")
    elif name in MARKS or name.startswith("os_glance_"):
        yield Fault(where, "reserved", "take it out")
    elif name not in known and name not in COMMON:
        if close := difflib.get_close_matches(name, {*known, *COMMON}, n=1, cutoff=ALIKE):
            yield Fault(where, "the cloud has no such property", f"did you mean {close[0]}?")
    elif value:
        definition = known.get(name, Definition())
        if definition.allowed and value not in definition.allowed:
            close = difflib.get_close_matches(value, definition.allowed, n=1)
            allowed = f"the cloud allows: {', '.join(definition.allowed)}"
            yield Fault(
                where,
                f"{value!r} is no value of it",
                f"did you mean {close[0]}? {allowed}" if close else allowed,
            )
        if definition.integer:
            yield from _number(where, value, definition)


def _number(where: str, value: str, definition: Definition) -> Iterable[Fault]:
    try:
        number = int(value)
    except ValueError:
        yield Fault(where, f"{value!r} is no whole number")
        return
    if definition.minimum is not None and number < definition.minimum:
        yield Fault(where, f"{value} is less than {definition.minimum}")
    if definition.maximum is not None and number > definition.maximum:
        yield Fault(where, f"{value} is more than {definition.maximum}")


def _definition(data: Mapping[str, Any]) -> Definition:
    """One property out of a namespace's JSON schema."""
    return Definition(
        allowed=tuple(map(str, data.get("enum", ()))) if data.get("type") == "string" else (),
        integer=data.get("type") == "integer",
        minimum=data.get("minimum"),
        maximum=data.get("maximum"),
    )
