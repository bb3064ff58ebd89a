"""Which images and volumes of a cloud could be started on the wrong host, or would be dark.

Nova's ImagePropertiesFilter compares an image's ``architecture`` with the
hypervisor's; an image without it fits everywhere. A bootable volume has the properties of
the image it was made from, and a server's snapshot those of the server's.
"""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core import progress
from core.errors import UnusableInput
from core.progress import size
from core.text_output import joined_lines
from guestprep.publish import compute_hosts
from guestprep.publish.cloud import Glance
from guestprep.publish.compute_hosts import UNSEEN, CloudFinding
from guestprep.publish.model import RemoteImage
from guestprep.target import ARCHITECTURE

#: Nova's names of architectures (nova.objects.fields.Architecture), with what else
#: they are called in images' names.
ARCHITECTURES = {
    "aarch64": ("aarch64", "arm64", "armv8"),
    "x86_64": ("x86_64", "amd64", "x86-64"),
    "armv7l": ("armv7l", "armhf"),
    "i686": ("i686", "i386"),
    "ppc64le": ("ppc64le", "ppc64el"),
    "s390x": ("s390x",),
    "riscv64": ("riscv64",),
}

#: Displays that arm64 kernels drive: https://docs.openstack.org/nova/latest/admin/ has the others.
_VISIBLE = frozenset({"virtio", "bochs", "none"})

#: Formats that are not a guest's disk: kernels and ramdisks, which images refer to.
NO_DISK = frozenset({"aki", "ari"})


@dataclass(frozen=True)
class BootableDisk:
    """What a server can be started from."""

    kind: str
    """``image``, ``snapshot`` (a server's) or ``volume``."""
    id: str
    name: str
    properties: Mapping[str, str]
    visibility: str = ""
    """An image's."""


@dataclass(frozen=True)
class AuditFinding:
    """An image or volume whose properties would lead astray."""

    image_id: str
    name: str
    visibility: str
    architecture: str | None
    """What the image's property says."""
    actual: str | None
    """What its name or its disk says; None where neither does."""
    reason: str
    remedy: str
    """The command that fixes it."""
    kind: str = "image"
    """``image``, ``snapshot`` (a server's) or ``volume``."""

    def __str__(self) -> str:
        # Anybody with an account in the cloud chooses such a name.
        kind = "" if self.kind == "image" else f"{self.kind} "
        about = f"{kind}{self.name} ({self.image_id}): {self.reason}"
        return joined_lines([about, f"  {self.remedy}"])


@dataclass(frozen=True)
class AuditReport:
    """What an audit found."""

    images: int
    findings: tuple[AuditFinding, ...]
    volumes: int | None = None
    """Bootable volumes that were checked; None where this user can't see any."""
    cloud: tuple[CloudFinding, ...] = ()
    """What the compute hosts need, as far as this user can see them."""

    @property
    def passed(self) -> bool:
        return not self.findings and all(one.note for one in self.cloud)

    def to_dict(self) -> dict[str, object]:
        return asdict(self) | {"passed": self.passed}

    def to_text(self) -> str:
        seen = "no volumes" if self.volumes is None else f"{self.volumes} bootable volumes"
        lines = [str(finding) for finding in self.findings]
        if self.passed:
            lines = [f"checked {self.images} images and {seen}: no wrong property found"]
        for one in self.cloud:
            prefix = "note: " if one.note else ""
            lines.append(joined_lines([f"{prefix}{one.subject}: {one.reason}", f"  {one.remedy}"]))
        return "\n".join(lines)


#: Tells the architecture of a disk image by looking into it; None where it can't.
Inspector = Callable[[Path], str | None]


def audit(connection: Any, *, inspect: Inspector | None = None) -> AuditReport:
    """Check all active images that the connection may see, hidden and community ones too.

    A hidden image is only missing from lists: servers can still be made or rebuilt from it.

    :param inspect: downloads each image and asks this; without it names and
        properties alone are compared.
    """
    glance = Glance(connection)
    images = disks(glance)
    findings: list[AuditFinding] = []
    with progress.current().step(f"audit {len(images)} images") as step:
        for image in images:
            step.note(image.name or image.id)
            inside = _look_inside(glance, image, inspect) if inspect else None
            findings += examine(of_image(image), inside)
        step.note("volumes")
        volumes = bootable_volumes(connection)
        findings += [found for volume in volumes or () for found in examine(volume)]
        step.note("compute hosts")
        cloud = compute_hosts.examine(connection, unlabelled=unlabelled(images))
    count = None if volumes is None else len(volumes)
    return AuditReport(len(images), tuple(findings), count, tuple(cloud))


def disks(glance: Glance) -> list[RemoteImage]:
    """All active images that servers can be started from, hidden and community ones too."""
    listed = [*glance.find(status="active"), *glance.find(status="active", visibility="community")]
    by_id = {image.id: image for image in listed}
    return [image for image in by_id.values() if image.disk_format not in NO_DISK]


def unlabelled(images: Iterable[RemoteImage]) -> int:
    """How many of these images have no architecture."""
    return sum("architecture" not in image.properties for image in images)


def of_image(image: RemoteImage) -> BootableDisk:
    """An image as something to start servers from."""
    kind = "snapshot" if image.snapshot else "image"
    return BootableDisk(kind, image.id, image.name or "", image.properties, image.visibility)


def bootable_volumes(connection: Any) -> list[BootableDisk] | None:
    """Volumes that servers can be started from: of all projects for an administrator.

    :return: None where this user can't see any.
    """
    for filters in ({"all_projects": True}, {}):
        try:
            return [
                BootableDisk("volume", one.id, one.name or "", one.volume_image_metadata or {})
                for one in connection.block_storage.volumes(details=True, **filters)
                if one.is_bootable
            ]
        except UNSEEN:
            continue
    return None


def examine(disk: BootableDisk, inside: str | None = None) -> Iterator[AuditFinding]:
    """Check one disk's properties.

    :param inside: the architecture of the system on it; None where it isn't known.
    """
    if wrong := _contradiction(disk.properties, disk.name, inside):
        reason, actual = wrong
        yield _finding(disk, reason, actual, f"architecture={actual or 'ARCHITECTURE'}")
    if reason := _darkness(disk.properties):
        yield _finding(disk, reason, ARCHITECTURE, "hw_video_model=virtio")


def _darkness(properties: Mapping[str, str]) -> str:
    """Why an ARM guest would have no screen; empty where it has one."""
    model = properties.get("hw_video_model")
    if properties.get("architecture") != ARCHITECTURE or model in _VISIBLE:
        return ""
    if model:
        return f"its screen would be dark: ARM guests don't drive hw_video_model={model}"
    return "its screen would be dark where Nova is older than 21 (Ussuri): no hw_video_model"


def _finding(disk: BootableDisk, reason: str, actual: str | None, setting: str) -> AuditFinding:
    command = (
        ("volume", "set", "--image-property")
        if disk.kind == "volume"
        else ("image", "set", "--property")
    )
    return AuditFinding(
        image_id=disk.id,
        name=disk.name,
        visibility=disk.visibility,
        architecture=disk.properties.get("architecture"),
        actual=actual,
        reason=reason,
        remedy=shlex.join(["openstack", *command, setting, disk.id]),
        kind=disk.kind,
    )


def _contradiction(
    properties: Mapping[str, str], name: str, inside: str | None
) -> tuple[str, str | None] | None:
    """What is wrong with an architecture, and the right one where that's known."""
    declared, named = properties.get("architecture"), by_name(name)
    actual = inside or named
    if declared is None:
        return "no architecture: it could be scheduled to any host", actual
    if declared not in ARCHITECTURES:
        known = actual or _canonical(declared)
        return f"architecture {declared!r} is not one that Nova knows", known
    if inside is not None and inside != declared:
        return f"architecture is {declared}, its disk is {inside}", actual
    if inside is None and named is not None and named != declared:
        return f"architecture is {declared}, its name says {named}", actual
    return None


def by_name(name: str) -> str | None:
    """The architecture that an image's name contains; None where it has none, or several."""
    words = set(re.split(r"[^a-z0-9]+", re.sub("x86[_-]64", "amd64", name.lower())))
    matches = [known for known, names in ARCHITECTURES.items() if words & set(names)]
    return matches[0] if len(matches) == 1 else None


def _canonical(name: str) -> str | None:
    return next((known for known, names in ARCHITECTURES.items() if name.lower() in names), None)


def _look_inside(glance: Glance, image: RemoteImage, inspect: Inspector) -> str | None:
    with tempfile.TemporaryDirectory(prefix="kollarm-audit-") as folder:
        path = Path(folder) / "image"
        with progress.current().step(f"download {image.name} ({size(image.size or 0)})"):
            try:
                glance.download(image.id, path)
            except UnusableInput as error:  # the other images are looked at all the same
                progress.current().warn(f"{image.name or image.id}: {error.message}")
                return None
        return inspect(path)
