"""Why an image is not published, and what to do about it."""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """Why an image is not published."""

    UPLOADING = "another upload is running"
    SEVERAL = "several images have the name"
    FOREIGN = "not made by kollarm"
    OTHER_PROJECT = "belongs to another project"
    DEACTIVATED = "deactivated"
    UNCHANGEABLE = "the cloud refuses changes of images"

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return _REMEDIES[self]


_REMEDIES = {
    Refusal.UPLOADING: "wait for it to end",
    Refusal.SEVERAL: "delete or rename all but one of them: openstack image delete ID",
    Refusal.FOREIGN: "kollarm guest publish --adopt takes it over; or give the guest another name",
    Refusal.OTHER_PROJECT: "give the guest another name, or log in to that project",
    Refusal.DEACTIVATED: "openstack image set --activate makes it usable again",
    Refusal.UNCHANGEABLE: "set cloud.replaced to delete",
}
