"""Images and specs for tests of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from guestprep.publish import properties
from guestprep.publish.model import LocalImage, PublishSpec, RemoteImage

SPEC = PublishSpec("jammy", os_distro="ubuntu", os_version="22.04", os_admin_user="ubuntu")
LOCAL = LocalImage(Path("jammy.qcow2"), 1000, 2 * 2**30, "qcow2", {"sha512": "aa"})


def image(number: int = 1, *, spec: PublishSpec = SPEC, **settings: Any) -> RemoteImage:
    """An image as kollarm makes it for a spec; settings change it."""
    attributes = properties.attributes(spec, LOCAL)
    made = RemoteImage(
        id=f"id{number}",
        name=spec.name,
        status="active",
        size=LOCAL.size,
        hash_algo="sha512",
        hash_value="aa",
        checksum="cc",
        visibility=spec.visibility,
        hidden=False,
        owner="project",
        disk_format="qcow2",
        min_disk=int(str(attributes["min_disk"])),
        min_ram=0,
        created_at=f"2026-01-0{number}T00:00:00Z",
        properties=properties.wanted(spec),
    )
    return replace(made, **settings)


def without(made: RemoteImage, *names: str, **more: str) -> RemoteImage:
    """An image that lacks some properties and has others."""
    kept: Mapping[str, str] = {k: v for k, v in made.properties.items() if k not in names}
    return replace(made, properties={**kept, **more})
