"""The plain data of publishing: the request, the file, the cloud, the plan, the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from core import progress
from core.text_output import joined_lines
from guestprep.publish.expiry import Expiry
from guestprep.publish.refusal import Refusal
from guestprep.target import ARCHITECTURE

if TYPE_CHECKING:  # its libraries take memory, which only who signs should need
    from guestprep.publish.signatures import ImageSigner

#: Property of every image that kollarm published: the guest's name.
OWNER_MARK = "kollarm_guest"
#: Property while an upload is under way: which process of which machine does it.
RUN_MARK = "kollarm_run"
#: Property that names the properties kollarm set, so that one no longer wanted can go.
MANAGED = "kollarm_properties"
#: Attribute that is listed there as well, where kollarm set it.
PROTECTED = "protected"
#: Property of a replaced image: the id of its successor.
SUCCESSOR = "kollarm_replaced_by"
#: Property with the digest of what was sent (``sha512:…``), where Glance's own record can't tell
#: it: a cloud that converts what is imported, or that computes no digests.
CONTENT = "kollarm_content"

MARKS = (OWNER_MARK, RUN_MARK, MANAGED, SUCCESSOR, CONTENT)


class Method(StrEnum):
    """How an image's bytes reach Glance."""

    AUTO = "auto"
    PUT = "put"
    GLANCE_DIRECT = "glance-direct"
    WEB_DOWNLOAD = "web-download"


class Replaced(StrEnum):
    """What becomes of an image when another takes its name."""

    HIDE = "hide"
    RENAME = "rename"
    DELETE = "delete"


class PublishAction(StrEnum):
    """What publishing one guest amounts to."""

    UPLOAD = "upload"
    REPLACE = "replace"
    FINISH = "finish"
    UPDATE = "update properties"
    ADOPT = "adopt"
    KEEP = "keep"
    REFUSE = "refuse"

    @property
    def done(self) -> str:
        """What has been done, where this was planned."""
        return _DONE[self]


_DONE = {
    PublishAction.UPLOAD: "uploaded",
    PublishAction.REPLACE: "replaced",
    PublishAction.FINISH: "finished",
    PublishAction.UPDATE: "properties updated",
    PublishAction.ADOPT: "adopted",
    PublishAction.KEEP: "kept",
    PublishAction.REFUSE: "refused",
}


@dataclass(frozen=True)
class PublishSpec:
    """An image that the cloud is requested to have."""

    name: str
    """The image's name in Glance."""
    os_distro: str | None = None
    """Libosinfo's short id (``ubuntu``), from the image's facts."""
    os_version: str | None = None
    """``22.04``."""
    os_admin_user: str | None = None
    """The user to log in as (``ubuntu``)."""
    architecture: str = ARCHITECTURE
    """Nova's name for it."""
    min_disk: int | None = None
    """GB; None takes the disk's own size."""
    min_ram: int = 0
    """MB."""
    properties: Mapping[str, str] = field(default_factory=dict)
    """The user's, on top of all others; an empty value leaves a property out."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Properties that describe how the image was made (``kollarm_…``)."""
    visibility: str = "public"
    """``public``, ``private``, ``shared`` or ``community``."""
    adopt: bool = False
    """Take over an image of that name which kollarm didn't make."""
    replaced: Replaced = Replaced.HIDE
    """What becomes of the image whose name is taken."""
    method: Method = Method.AUTO
    source_url: str | None = None
    """Where Glance itself can fetch the very same file, for web-download."""
    check_properties: bool = True
    """Compare the user's properties with the cloud's definitions."""
    raw: bool = False
    """Send it as a raw disk."""
    stores: tuple[str, ...] = ()
    """Identifiers of the stores that are to have it; empty for the cloud's default."""
    members: tuple[str, ...] = ()
    """Ids of projects that it is shared with."""
    protected: bool = False
    """Whether Glance refuses to delete it."""
    tags: tuple[str, ...] = ()
    signer: ImageSigner | None = None
    """Signs it, for Nova to verify."""
    keep: int | None = None
    """How many replaced images stay; None for all, unless there are ``days``."""
    days: int | None = None
    """Days for which a replaced image stays."""


@dataclass(frozen=True)
class LocalImage:
    """The file to publish."""

    path: Path
    size: int
    """Bytes of the file."""
    virtual_size: int
    """Bytes of the disk that a guest sees."""
    disk_format: str
    digests: Mapping[str, str] = field(default_factory=dict)
    """Hexadecimal digests by algorithm (hashlib's names), as far as there was reason to compute
    them.
    """


@dataclass(frozen=True)
class RemoteImage:
    """An image as Glance describes it; ``properties`` holds what isn't an attribute."""

    id: str
    name: str | None
    status: str
    size: int | None
    hash_algo: str | None
    hash_value: str | None
    checksum: str | None
    visibility: str
    hidden: bool
    owner: str | None
    disk_format: str | None
    min_disk: int
    min_ram: int
    created_at: str
    properties: Mapping[str, str]
    updated_at: str = ""
    protected: bool = False
    tags: frozenset[str] = frozenset()
    stores: frozenset[str] = frozenset()
    """Identifiers of the stores that have it; empty where Glance has only one."""

    @property
    def digest(self) -> tuple[str, str] | None:
        """The algorithm and value of its content's digest; None before there is content."""
        if self.hash_algo and self.hash_value:
            return self.hash_algo, self.hash_value
        return ("md5", self.checksum) if self.checksum else None

    @property
    def snapshot(self) -> bool:
        """Whether it is a server's snapshot, which has the properties of the server's image."""
        return "base_image_ref" in self.properties or (
            self.properties.get("image_type") == "snapshot"
        )

    @property
    def managed(self) -> frozenset[str]:
        """Names of what kollarm set."""
        return frozenset(self.properties.get(MANAGED, "").split(","))

    @property
    def sent(self) -> tuple[str, str] | None:
        """The algorithm and value of the digest of what was sent for it, where that was noted."""
        algorithm, colon, value = self.properties.get(CONTENT, "").partition(":")
        return (algorithm, value) if colon and algorithm == "sha512" else None

    def same_content(self, local: LocalImage) -> bool:
        """Whether its bytes are the local file's, by size, format and digest.

        What a cloud converted, or computed no digest of, is known by what was sent.
        """
        if self.sent is not None:
            algorithm, value = self.sent
            return local.digests.get(algorithm) == value
        if self.size != local.size or self.disk_format != local.disk_format or not self.digest:
            return False
        algorithm, value = self.digest
        return local.digests.get(algorithm) == value


@dataclass(frozen=True)
class CloudFacts:
    """What was found in the cloud."""

    images: tuple[RemoteImage, ...]
    """All that have the wanted name or kollarm's mark for it, hidden ones too."""
    project: str | None = None
    """Whose images are ours to change; None where there are no projects."""
    under_way: frozenset[str] = frozenset()
    """Ids of those that a process which still runs uploads."""
    abandoned: frozenset[str] = frozenset()
    """Ids of those whose uploading process is known to be gone."""
    members: frozenset[tuple[str, str]] = frozenset()
    """Pairs of an image's id and a project's that it is shared with, as far as it matters."""
    unchangeable: bool = False
    """Whether the cloud refuses changes of images: a Glance whose schema requires properties looks
    for them in every single change.
    """


#: What an image's attribute may be; tags are several words.
AttributeValue = str | int | bool | tuple[str, ...]


@dataclass(frozen=True)
class PropertyChange:
    """One attribute or property that is to change; None stands for absent."""

    name: str
    old: AttributeValue | None
    new: AttributeValue | None

    @property
    def bookkeeping(self) -> bool:
        """Whether it is about kollarm's own marks, which no person asked for."""
        return self.name in MARKS

    def __str__(self) -> str:
        old = "(none)" if self.old is None else _shown(self.old)
        return f"{self.name}: {old} -> {'(removed)' if self.new is None else _shown(self.new)}"


def _shown(value: AttributeValue) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True)
class PublishPlan:
    """What is going to be done for one guest, and why."""

    name: str
    action: PublishAction
    reasons: tuple[str, ...]
    local: LocalImage
    attributes: Mapping[str, AttributeValue]
    """Name, visibility, formats, min_disk, min_ram as wanted."""
    properties: Mapping[str, str]
    """All properties as wanted, kollarm's marks among them."""
    replaced: Replaced
    method: Method
    source_url: str | None = None
    refusal: Refusal | None = None
    """Why nothing is done, where the action is to refuse."""
    image_id: str | None = None
    """The image it is about, where that exists already."""
    changes: tuple[PropertyChange, ...] = ()
    """What an update changes."""
    retire: tuple[str, ...] = ()
    """Ids of images that lose the name, once the wanted one is active."""
    remove: tuple[str, ...] = ()
    """Ids of what killed runs left half-uploaded."""
    strays: tuple[str, ...] = ()
    """Ids of what is half-uploaded by another machine, whether that one lives or not."""
    stores: tuple[str, ...] = ()
    """Stores that are to have the image."""
    copies: tuple[str, ...] = ()
    """Those of them that an image which is there already is missing from."""
    members: tuple[str, ...] = ()
    """Projects that it is not yet shared with."""
    expire: tuple[Expiry, ...] = ()
    """Replaced images that were kept long enough."""
    kept: tuple[str, ...] = ()
    """Why others stay."""
    cloud: str = ""
    """What the cloud is called."""
    unchangeable: bool = False
    """Whether the cloud refuses changes of images, so that one has its name from the start."""

    def to_dict(self) -> dict[str, object]:
        data = asdict(self)
        data["local"]["path"] = str(self.local.path)
        return data

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left alone, and what to do about it."""
        return (
            tuple(
                f"the image {image} is half-uploaded by another machine; if that one has given up: "
                f"openstack image delete {image}"
                for image in self.strays
            )
            + self.kept
        )

    def to_text(self) -> str:
        """The plan for a person, several lines."""
        subject = f" {self.image_id}" if self.image_id else ""
        where = f" in {self.cloud}" if self.cloud else ""
        lines = [f"{self.name}: {self.action}{subject}{where}"]
        lines += [f"  because {reason}" for reason in self.reasons]
        lines += [
            f"  remove {image}, left half-uploaded by an earlier run" for image in self.remove
        ]
        lines += [f"  note: {text}" for text in self.notes]
        if self.action in {PublishAction.UPLOAD, PublishAction.REPLACE}:
            size = progress.size(self.local.size)
            lines.append(f"  send {self.local.path} ({size}, {self.local.disk_format})")
            settings = {**self.attributes, **self.properties}
            lines += [
                f"    {key}={_shown(value)}" for key, value in settings.items() if key not in MARKS
            ]
        lines += [f"  change {change}" for change in self.changes if not change.bookkeeping]
        lines += [f"  copy to the store {store}" for store in self.copies]
        lines += [f"  share with the project {project}" for project in self.members]
        lines += [f"  then {self.replaced} {image}, which had the name" for image in self.retire]
        lines += [f"  {one.action} {one.image_id}: {one.reason}" for one in self.expire]
        return joined_lines(lines)


@dataclass(frozen=True)
class PublishRecord:
    """What was done for one guest; every value was read back from Glance."""

    name: str
    action: PublishAction
    image_id: str
    status: str
    size: int
    digest: str
    visibility: str
    properties: Mapping[str, str]
    changes: tuple[PropertyChange, ...]
    retired: tuple[str, ...]
    removed: tuple[str, ...]
    sent: int
    """Bytes that were uploaded."""
    seconds: float
    """Of the whole publishing."""
    stores: tuple[str, ...] = ()
    """Stores that have it; empty where Glance has only one."""
    expired: tuple[Expiry, ...] = ()
    """What was done with replaced images that were kept long enough."""
    cloud: str = ""
    """What the cloud is called."""

    def to_dict(self) -> dict[str, object]:
        return asdict(self)

    def to_text(self) -> str:
        """The record for a person, several lines."""
        lines = [
            f"{self.name}: {self.action.done}: image {self.image_id}, {self.status}, "
            f"{progress.size(self.size)}, {self.visibility}"
            + (f", in {self.cloud}" if self.cloud else "")
        ]
        lines += [f"  changed {change}" for change in self.changes if not change.bookkeeping]
        lines += [f"  replaced {image}" for image in self.retired]
        lines += [f"  removed {image}, left by an earlier run" for image in self.removed]
        lines += [f"  {one.action}d {one.image_id}: {one.reason}" for one in self.expired]
        return joined_lines(lines)
