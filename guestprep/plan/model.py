"""A plan: plain data, printable as text and JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from core.progress import size
from guestprep.archive.package import ArchivePackage
from guestprep.target import DRIVER

#: What documents have of a package.
_PACKAGE_KEYS = ("name", "version", "architecture", "archive", "filename", "sha256", "size")

#: Bytes at a disk's end that no partition gets: the copy of its table, and alignment.
GROWTH_MARGIN = 2 << 20


@dataclass(frozen=True)
class PreparationStep:
    """One thing to do."""

    reason: str
    """Why, for a person."""

    @property
    def title(self) -> str:
        """What is done, in one line."""
        raise NotImplementedError

    @classmethod
    def kind(cls) -> str:
        """The name that documents have for it."""
        return cls.__name__.removesuffix("Step").lower()

    def to_dict(self) -> dict[str, object]:
        return {"kind": self.kind(), "title": self.title, **dataclasses.asdict(self)}


@dataclass(frozen=True)
class InstallStep(PreparationStep):
    """Put packages in and register them with dpkg."""

    packages: tuple[ArchivePackage, ...]
    """In the order of installation."""
    manual: tuple[str, ...]
    """Names of those that are wanted for themselves; the others are marked as installed
    automatically.
    """
    kernel: str
    """The version of the kernel they have modules for; empty for other packages."""

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
    """Put in another kernel and start that one instead.

    :param kernel: the new one's version
    """

    old: str
    """That of the one it takes the place of."""
    remove: tuple[str, ...]
    """Names of installed packages that go, with the old kernel's files."""

    @property
    def title(self) -> str:
        gone = f", remove {', '.join(self.remove)}" if self.remove else ""
        return f"start kernel {self.kernel} instead of {self.old}: {super().title}{gone}"


@dataclass(frozen=True)
class FileStep(PreparationStep):
    """Write a file of kollarm's own."""

    path: str
    content: str
    mode: int = 0o644

    @property
    def title(self) -> str:
        return f"write {self.path}"


@dataclass(frozen=True)
class CopyStep(PreparationStep):
    """Copy a local file into the guest."""

    path: str
    source: str
    """The local file."""
    sha256: str
    mode: int
    """Its permissions in the guest."""

    @property
    def title(self) -> str:
        return f"copy {self.source} to {self.path} ({self.mode:04o})"


@dataclass(frozen=True)
class TimezoneStep(PreparationStep):
    """Set the time zone."""

    zone: str
    target: str
    """What /etc/localtime shall point to."""
    named: bool
    """Whether /etc/timezone has to name it too."""

    @property
    def title(self) -> str:
        return f"set the time zone {self.zone}"


@dataclass(frozen=True)
class GrowStep(PreparationStep):
    """Grow the disk, its last partition and the file system in that, where they are."""

    size: int
    """Of the disk in bytes."""
    before: int
    """What it was."""
    device: str
    """Of the partition."""
    number: int
    """In the table; 0 where there is none."""
    filesystem: str
    """Its type."""
    mounted: str
    """Where the guest has it."""
    gpt: bool
    """Whether the table of partitions is a GPT, with a copy at the disk's end."""

    @property
    def gain(self) -> int:
        """Bytes that the file system gets, at least."""
        return max(0, self.size - self.before - GROWTH_MARGIN)

    @property
    def title(self) -> str:
        return f"grow the disk to {size(self.size)}, and {self.mounted or self.device} with it"


@dataclass(frozen=True)
class InitramfsStep(PreparationStep):
    """Append virtio_gpu with all it needs to an initramfs, and have it loaded."""

    path: str
    """Of the initramfs;."""
    kernel: str
    """The version it is for."""
    based_on: str = ""
    """Another kernel's initramfs, when this one has to be made: the same with this kernel's modules
    instead.
    """

    @property
    def title(self) -> str:
        if self.based_on:
            return f"make {self.path} from {self.based_on}, with {DRIVER}"
        return f"append {DRIVER} to {self.path}"


@dataclass(frozen=True)
class GrubChange:
    """A menu entry's command line before and after."""

    title: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class GrubStep(PreparationStep):
    """Change the kernels' command lines in the menu itself."""

    path: str
    consoles: tuple[str, ...]
    changes: tuple[GrubChange, ...]
    kernels: dict[str, str] = field(default_factory=dict)
    """Versions to name instead of others, new by old."""

    @property
    def title(self) -> str:
        if self.kernels and not self.changes:
            return f"name kernel {', '.join(self.kernels.values())} in {self.path}"
        many = f"{len(self.changes)} entr{'y' if len(self.changes) == 1 else 'ies'}"
        return f"change {many} of {self.path}"


@dataclass(frozen=True)
class CleanStep(PreparationStep):
    """Remove what belongs to one machine."""

    what: str
    remove: tuple[str, ...]
    """Paths to remove;."""
    empty: tuple[str, ...] = ()
    """Files to make empty."""

    @property
    def title(self) -> str:
        return f"clean up {self.what} ({len(self.remove) + len(self.empty)} files)"


StepT = TypeVar("StepT", bound=PreparationStep)

_KINDS: dict[str, type[PreparationStep]] = {
    step.kind(): step
    for step in (
        *(InstallStep, ReplaceStep, FileStep, CopyStep, TimezoneStep),
        *(GrowStep, InitramfsStep, GrubStep, CleanStep),
    )
}


def _step_from_dict(data: Mapping[str, Any]) -> PreparationStep:
    kind = _KINDS[data["kind"]]
    values = {field.name: _frozen(data[field.name]) for field in dataclasses.fields(kind)}
    if issubclass(kind, InstallStep):
        values["packages"] = tuple(map(_package_from_dict, data["packages"]))
    if kind is GrubStep:
        values["changes"] = tuple(
            GrubChange(**{key: _frozen(value) for key, value in change.items()})
            for change in data["changes"]
        )
    return kind(**values)


def _package_from_dict(data: Mapping[str, Any]) -> ArchivePackage:
    """A package as a document has it: without its relations, which mattered to the plan only."""
    known = {key: data[key] for key in _PACKAGE_KEYS}
    return ArchivePackage(**known, multi_arch="", relations={}, provides=(), installed_size=0)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True)
class AlreadySatisfied:
    """Something requested that needs no step, and why."""

    topic: str
    reason: str


@dataclass(frozen=True)
class PreparationPlan:
    """What will be done to an image."""

    subject: str
    """The image, for a person."""
    steps: tuple[PreparationStep, ...]
    settled: tuple[AlreadySatisfied, ...]
    warnings: tuple[str, ...] = ()
    """What the person should know, though it stops nothing."""

    @property
    def empty(self) -> bool:
        """Whether the image is prepared already."""
        return not self.steps

    def of(self, kind: type[StepT]) -> tuple[StepT, ...]:
        """The steps of one kind."""
        return tuple(step for step in self.steps if isinstance(step, kind))

    def to_dict(self) -> dict[str, object]:
        return {
            "subject": self.subject,
            "empty": self.empty,
            "steps": [step.to_dict() for step in self.steps],
            "settled": [dataclasses.asdict(entry) for entry in self.settled],
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
            settled=tuple(AlreadySatisfied(**entry) for entry in data["settled"]),
            warnings=tuple(data["warnings"]),
        )

    def to_text(self) -> str:
        """The plan for a person."""
        out = [self.subject]
        for number, step in enumerate(self.steps, 1):
            out += [f"{number}. {step.title}", f"   because {step.reason}"]
            out += [f"   {line}" for line in _details(step)]
        if self.empty:
            out.append("nothing to do: the image is prepared already")
        out += [f"- {entry.topic}: {entry.reason}" for entry in self.settled]
        out += [f"warning: {text}" for text in self.warnings]
        return "\n".join(out)


def _details(step: PreparationStep) -> list[str]:
    if isinstance(step, InstallStep):
        total = sum(package.size for package in step.packages)
        return [f"{len(step.packages)} packages, {size(total)} to download"]
    if isinstance(step, GrubStep):
        return [f"{change.title}: {' '.join(change.after)}" for change in step.changes]
    return []
