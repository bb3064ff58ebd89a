"""Checking the user's own properties against what the cloud knows.

Glance has metadata definitions (https://docs.openstack.org/glance/latest/user/glancemetadefcatalogapi.html),
which its administrator loads, and a schema of its images
(https://docs.openstack.org/api-ref/image/v2/#image-schemas) with the attributes that it
keeps itself and the properties that its administrator constrains.  A name that neither has
may be right nevertheless (traits, the user's own), so only one that looks like a misspelt
one is a fault.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.errors import Fault
from core.suggest import did_you_mean
from guestprep.publish.cloud import Glance
from guestprep.publish.glance_json import ATTRIBUTES
from guestprep.publish.model import MARKS
from guestprep.publish.properties import ARM64

#: Names that Nova and Glance give a meaning, in whatever definitions a cloud has.
COMMON = frozenset(
    {
        *ARM64,
        *("architecture", "os_distro", "os_version", "os_admin_user", "os_type"),
        *("kernel_id", "ramdisk_id", "hw_emulation_architecture"),
        *("hw_cdrom_bus", "hw_vif_model", "hw_qemu_guest_agent"),
    }
)

#: Statuses of a cloud that doesn't offer a document of definitions.
_ABSENT = (403, 404)

#: How alike two names have to be for one to be the other's misspelling (difflib's ratio).
ALIKE = 0.85


@dataclass(frozen=True)
class PropertyDefinition:
    """A cloud's definition of one property."""

    attribute: bool = False
    """Whether it is one of Glance's own attributes, not a property."""
    required: bool = False
    """Whether the cloud refuses images without it."""
    allowed: tuple[str, ...] = ()
    """The only values; empty where there is no such list."""
    pattern: str | None = None
    """A regular expression that finds something in every value; or None."""
    integer: bool = False
    """Whether it is an integer, in ``minimum`` … ``maximum``."""
    minimum: int | None = None
    maximum: int | None = None


def definitions(glance: Glance, *, every: bool = True) -> dict[str, PropertyDefinition]:
    """The cloud's own definitions of images' attributes and properties, by name.

    Documents that it doesn't offer are left out.

    :param every: the metadata definitions too, which take a request for each namespace.
    """
    document = glance.read("/schemas/image", absent=_ABSENT)
    schema, required = document.get("properties", {}), frozenset(document.get("required", ()))
    # Glance marks what isn't its own in the schema (glance/api/v2/images.py).
    found = {
        name: replace(
            _definition(data, attribute=data.get("is_base", True)), required=name in required
        )
        for name, data in schema.items()
    }
    for name in required - set(found):
        found[name] = PropertyDefinition(required=True)
    if not every:
        return found
    path = "/metadefs/namespaces?resource_types=OS::Glance::Image&limit=1000"
    for space in glance.read(path, absent=_ABSENT).get("namespaces", ()):
        # Naming the resource type gives the names with the prefix that images use.
        path = f"/metadefs/namespaces/{space['namespace']}?resource_type=OS::Glance::Image"
        described = glance.read(path, absent=_ABSENT).get("properties", {})
        for name, data in described.items():
            if name not in schema:
                found[name] = _definition(data, attribute=False)
    return found


def faults(properties: Mapping[str, str], known: Mapping[str, PropertyDefinition]) -> list[Fault]:
    """The faults of a user's properties."""
    return [fault for name, value in properties.items() for fault in _of(name, value, known)]


def missing(wanted: Collection[str], known: Mapping[str, PropertyDefinition]) -> list[Fault]:
    """A fault for each property that the cloud requires (since 2026.1) and the image lacks.

    :param wanted: names of the properties and attributes that it will have.
    """
    return [
        Fault(f"properties.{name}", "the cloud requires it", "add it, with a value that is allowed")
        for name, definition in known.items()
        if definition.required and name not in wanted
    ]


def _of(name: str, value: str, known: Mapping[str, PropertyDefinition]) -> Iterable[Fault]:
    where = f"properties.{name}"
    if name in ATTRIBUTES or known.get(name, PropertyDefinition()).attribute:
        yield Fault(where, "an attribute of images, not a property", "take it out")
    elif name in MARKS or name.startswith("os_glance_"):
        yield Fault(where, "reserved", "take it out")
    elif name not in known and name not in COMMON:
        if hint := did_you_mean(name, {*known, *COMMON}, alike=ALIKE):
            yield Fault(where, "the cloud has no such property", hint)
    elif value:
        definition = known.get(name, PropertyDefinition())
        if definition.allowed and value not in definition.allowed:
            nearest = did_you_mean(value, definition.allowed)
            allowed = f"the cloud allows: {', '.join(definition.allowed)}"
            yield Fault(
                where,
                f"{value!r} is not an allowed value",
                f"{nearest} {allowed}" if nearest else allowed,
            )
        if definition.pattern and not _matches(definition.pattern, value):
            yield Fault(
                where, f"{value!r} has the wrong form", f"it must match {definition.pattern}"
            )
        if definition.integer:
            yield from _number(where, value, definition)


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:  # of another dialect, which JSON's schemas are written in
        return True


def _number(where: str, value: str, definition: PropertyDefinition) -> Iterable[Fault]:
    try:
        number = int(value)
    except ValueError:
        yield Fault(where, f"{value!r} is not an integer")
        return
    if definition.minimum is not None and number < definition.minimum:
        yield Fault(where, f"{value} is less than {definition.minimum}")
    if definition.maximum is not None and number > definition.maximum:
        yield Fault(where, f"{value} is more than {definition.maximum}")


def _definition(data: Mapping[str, Any], *, attribute: bool) -> PropertyDefinition:
    """One property out of a JSON schema; its type is a name or a list of names."""
    kinds = data.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    text = "string" in kinds
    return PropertyDefinition(
        attribute=attribute,
        allowed=tuple(str(v) for v in data.get("enum", ()) if v is not None) if text else (),
        pattern=data.get("pattern") if text else None,
        integer="integer" in kinds,
        minimum=data.get("minimum"),
        maximum=data.get("maximum"),
    )
