"""The plain data of publishing: what is wanted, what is there, the plan, the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from core.progress import size as readable_size

#: Property of every image that kollarm made: the guest's name.
OWNER_MARK = "kollarm_guest"
#: Property while an upload is under way: which process of which machine does it.
RUN_MARK = "kollarm_run"
#: Property that names the properties kollarm set, so that one no longer wanted can go.
MANAGED = "kollarm_properties"
#: Property of a replaced image: the id of its successor.
SUCCESSOR = "kollarm_replaced_by"

MARKS = (OWNER_MARK, RUN_MARK, MANAGED, SUCCESSOR)


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
    """What publishing one guest comes to."""

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
    """What the cloud is to have.

    :param name: the image's name in Glance.
    :param os_distro: libosinfo's short id (``ubuntu``), from the image's facts.
    :param os_version: ``22.04``.
    :param os_admin_user: the user to log in as (``ubuntu``).
    :param architecture: Nova's name for it.
    :param min_disk: GB; None takes the disk's own size.
    :param min_ram: MB.
    :param properties: the user's, on top of all others; an empty value leaves a
        property out.
    :param visibility: ``public``, ``private``, ``shared`` or ``community``.
    :param provenance: properties that say how the image was made (``kollarm_…``).
    :param adopt: take over an image of that name which kollarm didn't make.
    :param replaced: what becomes of the image whose name is taken.
    :param check_properties: compare the user's properties with the cloud's definitions.
    :param source_url: where Glance itself can fetch the very same file, for web-download.
    """

    name: str
    os_distro: str | None = None
    os_version: str | None = None
    os_admin_user: str | None = None
    architecture: str = "aarch64"
    min_disk: int | None = None
    min_ram: int = 0
    properties: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    visibility: str = "public"
    adopt: bool = False
    replaced: Replaced = Replaced.HIDE
    method: Method = Method.AUTO
    source_url: str | None = None
    check_properties: bool = True


@dataclass(frozen=True)
class LocalImage:
    """The file to publish.

    :param size: bytes of the file.
    :param virtual_size: bytes of the disk that a guest sees.
    :param digests: hexadecimal digests by algorithm (hashlib's names), as far as
        there was reason to compute them.
    """

    path: Path
    size: int
    virtual_size: int
    disk_format: str
    digests: Mapping[str, str] = field(default_factory=dict)


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
    updated_at: str
    properties: Mapping[str, str]

    @property
    def digest(self) -> tuple[str, str] | None:
        """The algorithm and value of its content's digest; None before there is content."""
        if self.hash_algo and self.hash_value:
            return self.hash_algo, self.hash_value
        return ("md5", self.checksum) if self.checksum else None

    def same_content(self, local: LocalImage) -> bool:
        """Whether its bytes are the local file's, by size, format and digest."""
        if self.size != local.size or self.disk_format != local.disk_format or not self.digest:
            return False
        algorithm, value = self.digest
        return local.digests.get(algorithm) == value


@dataclass(frozen=True)
class CloudFacts:
    """What was found in the cloud.

    :param images: all that have the wanted name or kollarm's mark for it, hidden ones too.
    :param project: whose images are ours to change; None where there are no projects.
    :param under_way: ids of those that a process which still runs uploads.
    :param abandoned: ids of those whose uploading process is known to be gone.
    :param import_methods: what the cloud's interoperable import offers.
    """

    images: tuple[RemoteImage, ...]
    project: str | None = None
    under_way: frozenset[str] = frozenset()
    abandoned: frozenset[str] = frozenset()
    import_methods: tuple[str, ...] = ()


@dataclass(frozen=True)
class PropertyChange:
    """One attribute or property that is to change; None stands for absent."""

    name: str
    old: str | int | bool | None
    new: str | int | bool | None

    @property
    def bookkeeping(self) -> bool:
        """Whether it is about kollarm's own marks, which no person asked for."""
        return self.name in MARKS

    def __str__(self) -> str:
        if self.new is None:
            return f"{self.name}: {self.old} -> (removed)"
        return f"{self.name}: {'(none)' if self.old is None else self.old} -> {self.new}"


@dataclass(frozen=True)
class PublishPlan:
    """What is going to be done for one guest, and why.

    :param image_id: the image it is about, where that exists already.
    :param attributes: name, visibility, formats, min_disk, min_ram as wanted.
    :param properties: all properties as wanted, kollarm's marks among them.
    :param changes: what an update changes.
    :param retire: ids of images that lose the name, once the wanted one is active.
    :param remove: ids of what killed runs left half-uploaded.
    :param strays: ids of what is half-uploaded by another machine, whether that one lives or not.
    """

    name: str
    action: PublishAction
    reasons: tuple[str, ...]
    local: LocalImage
    attributes: Mapping[str, str | int]
    properties: Mapping[str, str]
    replaced: Replaced
    method: Method
    source_url: str | None = None
    image_id: str | None = None
    changes: tuple[PropertyChange, ...] = ()
    retire: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        data = asdict(self)
        data["local"]["path"] = str(self.local.path)
        data["changes"] = [asdict(change) for change in self.changes]
        return data

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left alone, and what to do about it."""
        return tuple(
            f"the image {image} is half-uploaded by another machine; if that one has given up: "
            f"openstack image delete {image}"
            for image in self.strays
        )

    def to_text(self) -> str:
        """The plan for a person, several lines."""
        subject = f" {self.image_id}" if self.image_id else ""
        lines = [f"{self.name}: {self.action}{subject}"]
        lines += [f"  because {reason}" for reason in self.reasons]
        lines += [
            f"  remove {image}, left half-uploaded by an earlier run" for image in self.remove
        ]
        lines += [f"  note: {text}" for text in self.notes]
        if self.action in {PublishAction.UPLOAD, PublishAction.REPLACE}:
            size = readable_size(self.local.size)
            lines.append(f"  send {self.local.path} ({size}, {self.local.disk_format})")
            settings = {**self.attributes, **self.properties}
            lines += [f"    {key}={value}" for key, value in settings.items() if key not in MARKS]
        lines += [f"  change {change}" for change in self.changes if not change.bookkeeping]
        lines += [f"  then {self.replaced} {image}, which had the name" for image in self.retire]
        return "\n".join(lines)


@dataclass(frozen=True)
class PublishRecord:
    """What was done for one guest; every value was read back from Glance.

    :param seconds: of the whole publishing.
    :param sent: bytes that were uploaded.
    """

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
    seconds: float

    def to_json(self) -> dict[str, object]:
        return asdict(self) | {"changes": [asdict(change) for change in self.changes]}

    def to_text(self) -> str:
        """The record for a person, several lines."""
        lines = [
            f"{self.name}: {self.action.done}: image {self.image_id}, {self.status}, "
            f"{readable_size(self.size)}, {self.visibility}"
        ]
        lines += [f"  changed {change}" for change in self.changes if not change.bookkeeping]
        lines += [f"  replaced {image}" for image in self.retired]
        lines += [f"  removed {image}, left by an earlier run" for image in self.removed]
        return "\n".join(lines)
