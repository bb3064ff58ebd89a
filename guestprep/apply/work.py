"""What is gathered while a plan is turned into changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from core.errors import KollarmError
from guestprep.appliance import Appliance
from guestprep.apply.changes import Append, NewFiles
from guestprep.facts import KernelFacts
from guestprep.inspect import Examination
from guestprep.inspect.collect import KernelEvidence
from guestprep.parse.modules import ModuleIndex, parse_index
from guestprep.target import DRIVER


@dataclass(frozen=True)
class ModuleTree:
    """A kernel's modules and indices as they will be, in a local folder."""

    folder: Path
    new: frozenset[str]
    """Paths of the modules that come with packages; the others are stand-ins."""


@dataclass
class Work:
    """The changes so far, and what they were made from."""

    appliance: Appliance
    seen: Examination
    folder: Path
    new: NewFiles
    texts: dict[str, bytes] = field(default_factory=dict)
    """New content by path for files that the guest has."""
    fresh: dict[str, bytes] = field(default_factory=dict)
    """Content by path of files that it doesn't have yet."""
    appends: list[Append] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    unlink: list[str] = field(default_factory=list)
    stages: dict[str, ModuleTree] = field(default_factory=dict)
    """By kernel, where packages bring modules."""
    modules: dict[str, tuple[str, ...]] = field(default_factory=dict)
    packages: tuple[str, ...] = ()

    def kernel(self, version: str) -> tuple[KernelFacts, KernelEvidence]:
        """Facts and evidence of a kernel by its version."""
        facts = next(entry for entry in self.seen.facts.kernels if entry.version == version)
        found = next(entry for entry in self.seen.evidence.kernels if entry.version == version)
        return facts, found


def index_of(found: KernelEvidence, stage: ModuleTree | None) -> ModuleIndex:
    """A kernel's modules as they'll be: by the new indices where there are some."""

    def text(name: str) -> str:
        if stage is not None and (stage.folder / name).exists():
            return (stage.folder / name).read_text("utf-8", "surrogateescape")
        return found.texts.get(name, "")

    return parse_index(text("modules.dep"), text("modules.builtin"), text("modules.softdep"))


def require_driver(index: ModuleIndex, kernel: str) -> None:
    if DRIVER not in index.paths and DRIVER not in index.builtin:
        raise KollarmError(
            f"the packages bring no {DRIVER} for kernel {kernel}",
            hint="is it the right archive?",
        )
