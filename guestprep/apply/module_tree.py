"""A kernel's modules in a local folder, laid out for kmod's depmod."""

from __future__ import annotations

import errno
from pathlib import Path

from core.untrusted_names import UnsafeNameError, path_inside
from guestprep import limits
from guestprep.apply.depmod import depmod
from guestprep.parse.modules import is_kernel_version
from guestprep.parse.text import decode

#: What the system says of a name that is too long, or goes below a file.
_NO_PLACE = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)


class ModuleTree:
    """A kernel's modules and indices as they will be.

    depmod needs the modules' own names, which come from guests and packages: nothing else makes
    local files of such names.

    :param base: an empty local folder.
    :raises UnsafeNameError: the version is none, here and for names below.
    """

    def __init__(self, base: Path, version: str):
        if not is_kernel_version(version):
            raise UnsafeNameError(f"this is not the version of a kernel: {version!r}")
        self._base, self._version = base, version
        self._folder = base / "lib" / "modules" / version
        self._folder.mkdir(parents=True)
        self._count = 0
        #: Names of the modules that come with packages; the others are stubs.
        self.new: set[str] = set()

    def _path(self, name: str) -> Path:
        return path_inside(self._folder, name, of=f"the list of kernel {self._version}'s modules")

    def add(self, name: str, content: bytes | Path) -> None:
        """Add a file, or replace one.

        :param name: its path relative to the folder of modules.
        :param content: its content, or a local file to link it to.
        """
        path = self._path(name)
        self._count += 1
        limits.check_count("modules of a kernel", self._count, limits.MODULES)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # never written through: it may be a link
            if isinstance(content, Path):
                path.hardlink_to(content)
            else:
                path.write_bytes(content)
        except OSError as error:
            if error.errno in _NO_PLACE:
                raise UnsafeNameError(
                    f"kernel {self._version} has a module that can't be stored: {name!r}",
                    details=str(error),
                ) from error
            raise

    def __contains__(self, name: str) -> bool:
        return self._path(name).is_file()

    def file(self, name: str) -> Path:
        """The local file of a module or index."""
        return self._path(name)

    def text(self, name: str) -> str:
        """The text of an index."""
        return decode(self._path(name).read_bytes())

    def index(self) -> dict[str, bytes]:
        """Make the indices; see :func:`~guestprep.apply.depmod.depmod`."""
        return depmod(self._base, self._version)
