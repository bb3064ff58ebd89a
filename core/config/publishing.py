"""How a guest image is kept in a cloud: the section ``publish`` of a guest."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from core.config.base import Section
from core.config.paths import LocalPath

#: A store's identifier in Glance's configuration.
StoreName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$")]
#: A project's id in Keystone.
ProjectId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,255}$")]
#: Glance's own limit of a tag; a comma separates tags in what is remembered of them.
ImageTag = Annotated[str, StringConstraints(pattern=r"^[^,\s](?:[^,\r\n]{0,253}[^,\s])?$")]


#: A date, or one of SCS's words for how long an image is provided, or valid.
_DATE = r"20\d\d-[01]\d-[0-3]\d"
ProvidedUntil = Annotated[str, StringConstraints(pattern=rf"^({_DATE}|none|notice)$")]
UuidValidity = Annotated[
    str, StringConstraints(pattern=rf"^({_DATE}|none|notice|forever|last-\d+)$")
]
BuildDate = Annotated[str, StringConstraints(pattern=rf"^{_DATE}$")]


class ImageDescription(Section):
    """What SCS (scs-0102) and clouds that follow it ask for in the properties of an image."""

    replace_frequency: Literal[
        "yearly", "quarterly", "monthly", "weekly", "daily", "critical_bug", "never"
    ]
    """How often the image of this name is replaced at least."""
    provided_until: ProvidedUntil
    """Until when it is: a date in quotes, ``none`` or ``notice``."""
    uuid_validity: UuidValidity | None = None
    """How long a replaced one can be had by its id; default: as ``cloud.replaced`` and
    ``retention`` say.
    """
    hotfix_hours: int | None = Field(default=None, ge=0)
    """Hours until an image follows a fix of a critical fault."""
    purpose: Literal["generic", "minimal", "k8snode", "gpu", "network", "custom"] = "generic"
    """What the image is for."""
    source: str | None = None
    """Where it can be downloaded; default: the source's URL, else ``private``."""
    text: str | None = None
    """A description, or the URL of one."""
    build_date: BuildDate | None = None
    """All patches before this date (in quotes) are in it; default: the prepared file's date."""


class Retention(Section):
    """What becomes of replaced images in time; without either key they stay.

    An image that is to go is deactivated in one run and deleted in a later one.
    """

    keep: int | None = Field(default=None, ge=0)
    """How many replaced images stay, the latest."""
    days: int | None = Field(default=None, ge=0)
    """Days for which a replaced image stays."""


class Publishing(Section):
    """How a guest image is kept in a cloud."""

    format: Literal["qcow2", "raw"] = "qcow2"
    """``raw`` sends the image uncompressed, which clouds on Ceph need to start guests without a
    copy.
    """
    stores: list[StoreName] = Field(default_factory=list)
    """Stores of a Glance with several that are to have the image; default: the cloud's own."""
    members: list[ProjectId] = Field(default_factory=list)
    """Ids of projects that the image is shared with, where its visibility is ``shared``."""
    protected: bool = False
    """Whether Glance refuses to delete the image."""
    tags: list[ImageTag] = Field(default_factory=list)
    """Tags of the image."""
    description: ImageDescription | None = None
    """Describe the image as SCS asks for."""
    retention: Retention = Retention()
    """What becomes of replaced images in time."""


class ImageSigning(Section):
    """A key that signs published images, for Nova to verify."""

    key: LocalPath
    """A private key in PEM: RSA, or ECDSA on P-384 or P-521; its password is read from
    ``$KOLLARM_IMAGE_KEY_PASSWORD``.
    """
    certificate: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F-]{36}$")]
    """The id of its certificate in the cloud's key manager (Barbican)."""


class OtherCloud(Section):
    """One more cloud, or region, that guest images are published to."""

    name: str
    """A cloud of clouds.yaml."""
    region: str | None = None
    """One of its regions; default: the first."""
