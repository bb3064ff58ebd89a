"""A plan: plain data, printable as text and JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import TypeAdapter

from core.progress import size
from core.text_output import joined_lines
from guestprep.archive.package import ArchivePackage
from guestprep.target import DRIVER

#: What documents have of a package: not its relations, which matter to the plan only.
_PACKAGE_KEYS = ("name", "version", "architecture", "archive", "filename", "sha256", "size")

#: Bytes at a disk's end that no partition gets: the copy of its table, and alignment.
GROWTH_MARGIN = 2 << 20


@dataclass(frozen=True)
class PreparationStep:
    """One change to an image."""

    reason: str
    """Why it is made, for a person."""

    @property
    def title(self) -> str:
        """What it does, in one line for a person."""
        raise NotImplementedError

    @classmethod
    def kind(cls) -> str:
        """The name that documents have for it."""
        return cls.__name__.removesuffix("Step").lower()

    def to_dict(self) -> dict[str, object]:
        return {"kind": self.kind(), "title": self.title, **dataclasses.asdict(self)}


@dataclass(frozen=True)
class InstallStep(PreparationStep):
    """Install packages and register them with dpkg."""

    packages: tuple[ArchivePackage, ...]
    """The packages, in the order of installation."""
    manual: tuple[str, ...]
    """Names of the packages that were asked for; the others are marked as installed
    automatically.
    """
    kernel: str
    """Version of the kernel that the packages have modules for; empty for other packages."""

    def to_dict(self) -> dict[str, object]:
        return super().to_dict() | {
            "packages": [
                {key: getattr(entry, key) for key in _PACKAGE_KEYS} for entry in self.packages
            ]
        }

    @property
    def title(self) -> str:
        return "install " + ", ".join(f"{entry.name} {entry.version}" for entry in self.packages)


@dataclass(frozen=True)
class ReplaceStep(InstallStep):
    """Boot another kernel, whose version is ``kernel``, instead of old ones.

    Its packages are installed, unless the guest has it already.
    """

    old: str
    """Version of the kernel that is replaced."""
    remove: tuple[str, ...]
    """Names of installed packages to remove, with the old kernels' files."""
    others: tuple[str, ...] = ()
    """Versions of further kernels that are replaced."""

    @property
    def replaced(self) -> tuple[str, ...]:
        """Versions of all kernels that are replaced."""
        return (self.old, *self.others)

    @property
    def title(self) -> str:
        parts = [super().title] if self.packages else []
        parts += [f"remove {', '.join(self.remove)}"] if self.remove else []
        work = f": {', '.join(parts)}" if parts else ""
        return f"boot kernel {self.kernel} instead of {' and '.join(self.replaced)}{work}"


@dataclass(frozen=True)
class FileStep(PreparationStep):
    """Write one of kollarm's own files."""

    path: str
    """Its path in the guest."""
    content: str
    mode: int = 0o644
    """Its permissions in the guest."""

    @property
    def title(self) -> str:
        return f"write {self.path}"


@dataclass(frozen=True)
class CopyStep(PreparationStep):
    """Copy a local file into the guest."""

    path: str
    """The file's path in the guest."""
    source: str
    """Path of the local file."""
    sha256: str
    mode: int
    """The file's permissions in the guest."""

    @property
    def title(self) -> str:
        return f"copy {self.source} to {self.path} ({self.mode:04o})"


@dataclass(frozen=True)
class TimezoneStep(PreparationStep):
    """Set the time zone."""

    zone: str
    """Its name, such as ``Europe/Berlin``."""
    target: str
    """What /etc/localtime will point to."""
    named: bool
    """Whether /etc/timezone has to name the zone too."""

    @property
    def title(self) -> str:
        return f"set the time zone {self.zone}"


@dataclass(frozen=True)
class GrowStep(PreparationStep):
    """Grow the disk, its last partition and the file system on that partition, in place."""

    size: int
    """New size of the disk in bytes."""
    before: int
    """Present size of the disk in bytes."""
    device: str
    """The appliance's name for the partition."""
    number: int
    """Number of the partition in the partition table; 0 for a disk without a table."""
    filesystem: str
    """Type of the file system."""
    mounted: str
    """Where the guest mounts it."""
    gpt: bool
    """Whether the partition table is a GPT, which has a copy at the disk's end."""

    @property
    def gain(self) -> int:
        """Bytes that the file system gains, at least."""
        return max(0, self.size - self.before - GROWTH_MARGIN)

    @property
    def title(self) -> str:
        return f"grow the disk to {size(self.size)}, and {self.mounted or self.device} with it"


@dataclass(frozen=True)
class InitramfsStep(PreparationStep):
    """Append virtio_gpu and what it needs to an initramfs, and have it loaded."""

    path: str
    """Path of the initramfs in the guest."""
    kernel: str
    """Version of the kernel that the initramfs is for."""
    based_on: str = ""
    """Path of another kernel's initramfs, where this one doesn't exist yet: it is created as a copy
    with this kernel's modules.
    """

    @property
    def title(self) -> str:
        if self.based_on:
            return f"create {self.path} from {self.based_on}, with {DRIVER}"
        return f"append {DRIVER} to {self.path}"


@dataclass(frozen=True)
class GrubChange:
    """A new command line for the kernel of a menu entry."""

    title: str
    """Title of the menu entry."""
    before: tuple[str, ...]
    """Words of the present command line."""
    after: tuple[str, ...]
    """Words of the new command line."""


@dataclass(frozen=True)
class GrubStep(PreparationStep):
    """Change a file of a boot loader's menu: command lines, and which kernel it boots."""

    path: str
    """Path in the guest: of grub.cfg, of an entry, of GRUB's environment or a loader's settings."""
    consoles: tuple[str, ...]
    """Values of ``console=``, in order."""
    changes: tuple[GrubChange, ...]
    kernels: dict[str, str] = field(default_factory=dict)
    """Versions of replaced kernels, each with the version to boot instead."""
    variables: tuple[str, ...] = ()
    """Names of the variables to take consoles out of."""

    @property
    def title(self) -> str:
        if self.path.endswith("/loader.conf"):
            return f"let {self.path} start an entry by itself"
        if not self.kernels and not self.changes:
            return f"take consoles out of {self.path}"
        if self.kernels and not self.changes:
            return f"boot kernel {', '.join(self.kernels.values())} in {self.path}"
        entries = "entry" if len(self.changes) == 1 else "entries"
        return f"change {len(self.changes)} {entries} of {self.path}"


@dataclass(frozen=True)
class LoaderStep(PreparationStep):
    """Put the system's own boot loader where UEFI looks for one by itself."""

    esp: str
    """Where the guest mounts its ESP."""
    copies: dict[str, str]
    """Path on the ESP of each new file, with that of the file it is a copy of."""

    @property
    def title(self) -> str:
        return "copy " + ", ".join(f"{old} to {new}" for new, old in self.copies.items())


@dataclass(frozen=True)
class CleanStep(PreparationStep):
    """Remove identity or state that belongs to one machine."""

    what: str
    """The identity or state, for a person."""
    remove: tuple[str, ...]
    """Paths to remove."""
    empty: tuple[str, ...] = ()
    """Paths of files to empty."""

    @property
    def title(self) -> str:
        return f"clean up {self.what} ({len(self.remove) + len(self.empty)} files)"


StepT = TypeVar("StepT", bound=PreparationStep)

_KINDS: dict[str, type[PreparationStep]] = {
    step.kind(): step
    for step in (
        *(InstallStep, ReplaceStep, FileStep, CopyStep, TimezoneStep),
        *(GrowStep, InitramfsStep, GrubStep, LoaderStep, CleanStep),
    )
}


def _step_from_dict(data: Mapping[str, Any]) -> PreparationStep:
    return TypeAdapter(_KINDS[data["kind"]]).validate_python(data)


@dataclass(frozen=True)
class AlreadySatisfied:
    """A request that the image satisfies already, so that no step is needed."""

    topic: str
    """The subject of the request, for a person."""
    reason: str
    """Why no step is needed, for a person."""


PlanItem = PreparationStep | AlreadySatisfied


@dataclass(frozen=True)
class PreparationPlan:
    """What will be done to an image."""

    subject: str
    """The image, for a person."""
    steps: tuple[PreparationStep, ...]
    satisfied: tuple[AlreadySatisfied, ...]
    warnings: tuple[str, ...] = ()
    """Problems that don't prevent the preparation."""

    @property
    def empty(self) -> bool:
        """Whether nothing has to be done: the image is prepared already."""
        return not self.steps

    def steps_of(self, kind: type[StepT]) -> tuple[StepT, ...]:
        """The steps of one kind."""
        return tuple(step for step in self.steps if isinstance(step, kind))

    def to_dict(self) -> dict[str, object]:
        return {
            "subject": self.subject,
            "empty": self.empty,
            "steps": [step.to_dict() for step in self.steps],
            "settled": [dataclasses.asdict(entry) for entry in self.satisfied],
            "warnings": list(self.warnings),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> PreparationPlan:
        """The plan that :meth:`to_dict` gave; of packages without their relations.

        :raises KeyError, TypeError, ValueError: it is something else.
        """
        return PreparationPlan(
            subject=data["subject"],
            steps=tuple(map(_step_from_dict, data["steps"])),
            satisfied=tuple(AlreadySatisfied(**entry) for entry in data["settled"]),
            warnings=tuple(data["warnings"]),
        )

    def to_text(self) -> str:
        out = [self.subject]
        for number, step in enumerate(self.steps, 1):
            out += [f"{number}. {step.title}", f"   because {step.reason}"]
            out += [f"   {line}" for line in _details(step)]
        if self.empty:
            out.append("nothing to do: the image is prepared already")
        out += [f"- {entry.topic}: {entry.reason}" for entry in self.satisfied]
        out += [f"warning: {text}" for text in self.warnings]
        return joined_lines(out)


def _details(step: PreparationStep) -> list[str]:
    if isinstance(step, InstallStep):
        total = sum(package.size for package in step.packages)
        return [f"{len(step.packages)} packages, {size(total)} to download"]
    if isinstance(step, GrubStep):
        return [f"{change.title}: {' '.join(change.after)}" for change in step.changes]
    return []
