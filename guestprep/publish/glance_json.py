"""Glance's JSON: images, and changes to them.

https://docs.openstack.org/api-ref/image/v2/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guestprep.publish.model import PropertyChange, RemoteImage

#: Attributes of Glance's image schema; whatever else an image has is a property.
ATTRIBUTES = frozenset(
    {
        *("id", "name", "status", "created_at", "updated_at", "tags"),
        *("size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value"),
        *("os_hidden", "visibility", "protected", "owner"),
        *("disk_format", "container_format", "min_disk", "min_ram"),
        *("self", "file", "schema", "locations", "direct_url", "stores"),
    }
)


def image_of(data: Mapping[str, Any]) -> RemoteImage:
    """An image out of Glance's JSON."""
    return RemoteImage(
        id=data["id"],
        name=data.get("name"),
        status=data["status"],
        size=data.get("size"),
        hash_algo=data.get("os_hash_algo"),
        hash_value=data.get("os_hash_value"),
        checksum=data.get("checksum"),
        visibility=data.get("visibility", ""),
        hidden=bool(data.get("os_hidden")),
        owner=data.get("owner"),
        disk_format=data.get("disk_format"),
        min_disk=data.get("min_disk") or 0,
        min_ram=data.get("min_ram") or 0,
        created_at=data.get("created_at", ""),
        updated_at=data.get("updated_at", ""),
        protected=bool(data.get("protected")),
        tags=frozenset(data.get("tags") or ()),
        stores=frozenset(filter(None, (data.get("stores") or "").split(","))),
        properties={
            name: str(value)
            for name, value in data.items()
            if name not in ATTRIBUTES and value is not None
        },
    )


def operation(change: PropertyChange) -> dict[str, object]:
    """One change as an operation of a JSON patch (RFC 6902)."""
    path = "/" + change.name.replace("~", "~0").replace("/", "~1")
    if change.new is None:
        return {"op": "remove", "path": path}
    operation = "add" if change.old is None and change.name not in ATTRIBUTES else "replace"
    return {"op": operation, "path": path, "value": change.new}
