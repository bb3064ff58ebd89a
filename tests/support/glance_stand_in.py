"""A stand-in for clouds that can't be had here: it converts, computes no digests, or is busy."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from guestprep.publish.cloud import Glance
from guestprep.publish.model import PropertyChange, RemoteImage


class GlanceStandIn(Glance):
    """Keeps images in memory.

    :param converts: what imports are made into, as Glance's plugin image_conversion does.
    :param digests: whether digests are computed.
    :param busy: number of imports that fail with these words first.
    """

    project = None

    def __init__(
        self, *, converts: str | None = None, digests: bool = True, busy: Sequence[str] = ()
    ):
        self.images: dict[str, RemoteImage] = {}
        self.uploads = 0
        self._converts, self._digests, self._busy = converts, digests, list(busy)
        self._failures: dict[str, list[str]] = {}

    def find(self, **filters: str) -> list[RemoteImage]:
        return list(self.images.values())

    def get(self, image_id: str) -> RemoteImage:
        return self.images[image_id]

    def create(
        self, attributes: Mapping[str, object], properties: Mapping[str, str], *, hidden: bool
    ) -> RemoteImage:
        number = f"id{self.uploads + 1}"
        self.images[number] = RemoteImage(
            id=number, name=str(attributes["name"]), status="queued", size=None, hash_algo=None,
            hash_value=None, checksum=None, visibility=str(attributes["visibility"]),
            hidden=hidden, owner=None, disk_format=str(attributes["disk_format"]),
            min_disk=int(str(attributes["min_disk"])), min_ram=int(str(attributes["min_ram"])),
            created_at="", properties=dict(properties),
        )  # fmt: skip
        return self.images[number]

    def change(self, image_id: str, changes: Sequence[PropertyChange]) -> RemoteImage:
        image = self.images[image_id]
        properties = dict(image.properties)
        for change in changes:
            if change.name == "os_hidden":
                image = replace(image, hidden=bool(change.new))
            elif change.new is None:
                properties.pop(change.name, None)
            else:
                properties[change.name] = str(change.new)
        self.images[image_id] = replace(image, properties=properties)
        return self.images[image_id]

    def delete(self, image_id: str) -> None:
        self.images.pop(image_id, None)

    def send(self, path: str, data: Any, timeout: float, store: str | None = None) -> None:
        content = b"".join(data)
        self.uploads += 1
        image_id = path.split("/")[2]
        digest = hashlib.sha512(content).hexdigest() if self._digests else None
        self.images[image_id] = replace(
            self.images[image_id], status="active", size=len(content), hash_value=digest,
            hash_algo="sha512" if digest else None,
        )  # fmt: skip

    def start_import(
        self, image_id: str, method: Mapping[str, str], stores: Sequence[str] = ()
    ) -> None:
        if self._busy:
            self._failures[image_id] = [self._busy.pop(0)]
            self.images[image_id] = replace(self.images[image_id], status="queued")
        elif self._converts:
            self.images[image_id] = replace(
                self.images[image_id], disk_format=self._converts, size=1 << 20, hash_value="00"
            )

    def import_failures(self, image_id: str) -> list[str]:
        return self._failures.get(image_id, [])

    def import_methods(self) -> tuple[str, ...]:
        return ("glance-direct",)
