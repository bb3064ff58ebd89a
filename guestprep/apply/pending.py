"""The changes to a guest's tree: collected on the host, then written in a few calls."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from guestprep.appliance import Appliance, GuestCallError
from guestprep.apply.module_tree import ModuleTree
from guestprep.apply.new_files import NewFiles
from guestprep.facts import KernelFacts
from guestprep.inspect import Inspection
from guestprep.inspect.collect import KernelContents


@dataclass(frozen=True)
class AppendedData:
    """Bytes to write at the end of an existing file."""

    path: str
    """The file in the guest."""
    local: Path
    """The local file with the bytes."""
    offset: int
    """Where they go; what the file has behind that is only padding."""


@dataclass
class PendingChanges:
    """The changes so far, and what they were made from."""

    appliance: Appliance
    inspection: Inspection
    folder: Path
    """A local folder for what is composed."""
    new: NewFiles
    texts: dict[str, bytes] = field(default_factory=dict)
    """New content by path for files that the guest has, which keep owner and mode."""
    created: dict[str, bytes] = field(default_factory=dict)
    """Content by path of files that it doesn't have yet."""
    appends: list[AppendedData] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    """Paths to remove with all below them."""
    unlink: list[str] = field(default_factory=list)
    """Files to remove; one that is a folder stays, as a package's list of its paths doesn't tell
    which are.
    """
    copies: dict[str, str] = field(default_factory=dict)
    """New files by path, each with the file of the guest that it is a copy of."""
    module_trees: dict[str, ModuleTree] = field(default_factory=dict)
    """By kernel, where packages bring modules."""
    modules: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By initramfs: names of the modules it gets."""
    packages: tuple[str, ...] = ()
    """Names of the packages to install."""

    def kernel(self, version: str) -> tuple[KernelFacts, KernelContents]:
        """A kernel's facts, and what was read from the guest for them."""
        facts = next(entry for entry in self.inspection.facts.kernels if entry.version == version)
        contents = next(
            entry for entry in self.inspection.contents.kernels if entry.version == version
        )
        return facts, contents

    def concerns(self, folder: str) -> bool:
        """Whether a file below a folder, where a file system is mounted, changes."""
        paths = [*self.texts, *self.unlink, *self.remove, *self.copies]
        paths += [entry.path for entry in self.appends]
        below = any(path.startswith(f"{folder}/") for path in paths)
        return below or bool(self.new.bytes_on.get(folder))

    def new_folder(self, kind: str) -> Path:
        """An empty local folder, never named after anything in the guest."""
        return Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=self.folder))

    def write(self) -> None:
        """Make the changes in the tree, which must be mounted writable at ``/``."""
        appliance = self.appliance
        for path in self.unlink:
            with contextlib.suppress(GuestCallError):
                appliance.unlink(path)
        for path in self.remove:
            appliance.remove(path)
        if self.new.count:
            appliance.tar_in(self.new.path, "/")
        for path, content in self.texts.items():
            appliance.call("write", path, content)
        for path, source in self.copies.items():
            appliance.call("mkdir_p", path.rpartition("/")[0])
            appliance.call("cp", source, path)
        for append in self.appends:
            end = append.offset + append.local.stat().st_size
            appliance.upload_at(append.local, append.path, append.offset)
            if appliance.file_size(append.path) > end:
                appliance.truncate(append.path, end)
