"""Which images of a cloud could be scheduled to a machine of the wrong architecture.

Nova's ImagePropertiesFilter compares an image's ``architecture`` with the
hypervisor's; an image without it fits everywhere.
"""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core import progress
from core.errors import UnusableInput
from core.progress import size
from core.text_output import joined_lines
from guestprep.publish.cloud import Glance
from guestprep.publish.model import RemoteImage

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

#: Formats that are not a guest's disk: kernels and ramdisks, which images refer to.
NO_DISK = frozenset({"aki", "ari"})


@dataclass(frozen=True)
class AuditFinding:
    """An image whose architecture is missing or contradicted."""

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

    def __str__(self) -> str:
        # Anybody with an account in the cloud chooses such a name.
        about = f"{self.name} ({self.image_id}): {self.reason}"
        return joined_lines([about, f"  {self.remedy}"])


@dataclass(frozen=True)
class AuditReport:
    """What an audit found."""

    images: int
    findings: tuple[AuditFinding, ...]

    @property
    def passed(self) -> bool:
        return not self.findings

    def to_dict(self) -> dict[str, object]:
        return asdict(self) | {"passed": self.passed}

    def to_text(self) -> str:
        if self.passed:
            return f"checked {self.images} images: no wrong architecture found"
        return "\n".join(map(str, self.findings))


#: Tells the architecture of a disk image by looking into it; None where it can't.
Inspector = Callable[[Path], str | None]


def audit(connection: Any, *, inspect: Inspector | None = None) -> AuditReport:
    """Check all active images that the connection may see, hidden and community ones too.

    A hidden image is only missing from lists: servers can still be made or rebuilt from it.

    :param inspect: downloads each image and asks this; without it names and
        properties alone are compared.
    """
    glance = Glance(connection)
    listed = [*glance.find(status="active"), *glance.find(status="active", visibility="community")]
    images = [
        image
        for image in {image.id: image for image in listed}.values()
        if image.disk_format not in NO_DISK
    ]
    findings = []
    with progress.current().step(f"audit {len(images)} images") as step:
        for image in images:
            step.note(image.name or image.id)
            inside = _look_inside(glance, image, inspect) if inspect else None
            if finding := judge(image, inside):
                findings.append(finding)
    return AuditReport(len(images), tuple(findings))


def judge(image: RemoteImage, inside: str | None) -> AuditFinding | None:
    """Check one image.

    :param inside: the architecture of the disk's own system; None where it isn't known.
    """
    declared = image.properties.get("architecture")
    named = by_name(image.name or "")
    actual = inside or named
    if declared is None:
        reason = "no architecture: it could be scheduled to any host"
    elif declared not in ARCHITECTURES:
        reason = f"architecture {declared!r} is not one that Nova knows"
        actual = actual or _canonical(declared)
    elif inside is not None and inside != declared:
        reason = f"architecture is {declared}, its disk is {inside}"
    elif inside is None and named is not None and named != declared:
        reason = f"architecture is {declared}, its name says {named}"
    else:
        return None
    value = actual or "ARCHITECTURE"
    remedy = ["openstack", "image", "set", "--property", f"architecture={value}", image.id]
    return AuditFinding(
        image_id=image.id,
        name=image.name or "",
        visibility=image.visibility,
        architecture=declared,
        actual=actual,
        reason=reason,
        remedy=shlex.join(remedy),
    )


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
