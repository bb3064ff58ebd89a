"""Which replaced images have been kept long enough: deactivated first, deleted later.

A rebuild of a server needs the image that it was started from, and so does an evacuation to
another host that hasn't cached it. What can't be known to be unused is therefore kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from keystoneauth1 import exceptions as auth_errors
from openstack import exceptions as sdk_errors

from guestprep.publish.expiry import Expiry, ExpiryAction
from guestprep.publish.model import SUCCESSOR, RemoteImage

#: How long an image is deactivated before it is deleted, so that its loss is noticed.
GRACE = timedelta(days=1)


class Sight(StrEnum):
    """Whose servers could be seen."""

    ALL = "all projects'"
    OWN = "the own project's"
    NONE = "none"


@dataclass(frozen=True)
class ServersSeen:
    """What the cloud's servers were started from."""

    sight: Sight
    images: frozenset[str] = frozenset()
    """Ids of images."""

    def may_use(self, image: RemoteImage) -> str | None:
        """Why an image may be in use; None where it is known that it isn't."""
        if image.id in self.images:
            return "servers were started from it"
        if self.sight is Sight.ALL or (self.sight is Sight.OWN and image.visibility == "private"):
            return None
        return "the servers of all projects, which may use it, can't be seen by this user"


def decide(
    images: Sequence[RemoteImage],
    keep: int | None,
    days: int | None,
    seen: ServersSeen,
    now: datetime,
) -> tuple[tuple[Expiry, ...], tuple[str, ...]]:
    """What is done with replaced images, and notes on those that stay although they could go.

    :param images: the connection's own, of one guest, that another has replaced.
    :param keep: how many stay in any case; None for all, unless there are ``days``.
    :param days: how long each stays in any case; None for no such limit.
    """
    steps, notes = [], []
    for image in due(images, keep, days, now):
        why = f"{image.id}, replaced by {image.properties[SUCCESSOR]}"
        if use := seen.may_use(image):
            notes.append(f"the image {why}, stays: {use}")
        elif image.status == "deactivated":
            steps.append(Expiry(image.id, ExpiryAction.DELETE, "deactivated long enough"))
        else:
            steps.append(Expiry(image.id, ExpiryAction.DEACTIVATE, _limits(keep, days)))
    return tuple(steps), tuple(notes)


def due(
    images: Sequence[RemoteImage], keep: int | None, days: int | None, now: datetime
) -> list[RemoteImage]:
    """Those of the images that have been kept long enough; the arguments are :func:`decide`'s."""
    if keep is None and days is None:
        return []
    latest = sorted(images, key=lambda image: (image.created_at, image.id), reverse=True)
    limits = {"deactivated": GRACE}
    return [
        image
        for image in latest[keep or 0 :]
        if now - _changed(image) >= limits.get(image.status, timedelta(days=days or 0))
    ]


def replaced(images: Sequence[RemoteImage]) -> list[RemoteImage]:
    """Those that another image replaced; a server's snapshot has the same marks, and isn't one."""
    return [
        image
        for image in images
        if SUCCESSOR in image.properties
        and not image.snapshot
        and image.status in ("active", "deactivated")
    ]


def servers(connection: Any) -> ServersSeen:
    """What the servers were started from, as far as this user may see it.

    :param connection: of :func:`guestprep.publish.cloud.connect`.
    """
    try:
        regions = _compute_regions(connection)
        if not regions:
            return ServersSeen(Sight.ALL)  # there is no Nova in this cloud
        alone = regions <= {connection.config.get_region_name()}
        try:
            return ServersSeen(
                Sight.ALL if alone else Sight.NONE, _images(connection, all_projects=True)
            )
        except (auth_errors.Forbidden, sdk_errors.ForbiddenException):
            return ServersSeen(Sight.OWN if alone else Sight.NONE, _images(connection))
    except (auth_errors.ClientException, sdk_errors.SDKException):
        return ServersSeen(Sight.NONE)


def _compute_regions(connection: Any) -> set[str | None]:
    """The regions whose Nova the catalogue names.

    :raises SDKException: there is no catalogue.
    """
    auth = connection.session.auth
    access = auth.get_access(connection.session) if hasattr(auth, "get_access") else None
    if access is None:
        raise sdk_errors.SDKException("no catalogue")
    endpoints = access.service_catalog.get_endpoints_data(service_type="compute")
    return {endpoint.region_id for each in endpoints.values() for endpoint in each}


def _images(connection: Any, **filters: Any) -> frozenset[str]:
    listed = connection.compute.servers(details=True, **filters)
    # Of a server on a volume, Nova tells no image.
    found = ((server.image or {}).get("id") for server in listed)
    return frozenset(filter(None, found))


def _changed(image: RemoteImage) -> datetime:
    """When the image was last changed: replaced, or deactivated."""
    try:
        return datetime.fromisoformat(image.updated_at).astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)


def _limits(keep: int | None, days: int | None) -> str:
    limits = [f"{keep} later ones stay"] if keep is not None else []
    limits += [f"{days} days have passed"] if days is not None else []
    return " and ".join(limits)
