"""How a guest image is kept in a cloud: the section ``publish`` of a guest."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from core.config.base import Section

#: A store's identifier in Glance's configuration.
StoreName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$")]
#: A project's id in Keystone.
ProjectId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,255}$")]
#: Glance's own limit of a tag; a comma separates tags in what is remembered of them.
ImageTag = Annotated[str, StringConstraints(pattern=r"^[^,\s](?:[^,\r\n]{0,253}[^,\s])?$")]


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


class OtherCloud(Section):
    """One more cloud, or region, that guest images are published to."""

    name: str
    """A cloud of clouds.yaml."""
    region: str | None = None
    """One of its regions; default: the first."""
