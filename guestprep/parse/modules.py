"""What kmod's files below ``/lib/modules/VERSION`` say (modules.dep(5), modules.softdep).

Paths are relative to that folder (``kernel/drivers/gpu/drm/drm.ko``); a module's *name* has
``_`` wherever its file has ``-`` or ``_``, as the kernel treats the two as the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from core.untrusted_names import relative_name
from guestprep import limits

#: A kernel's version as ``uname -r`` shows it; depmod wants two numbers at its start.
_VERSION = re.compile(r"[0-9]+\.[0-9]+[A-Za-z0-9.+~_-]*")

#: Bytes of the longest one (the kernel's __NEW_UTS_LEN).
_LONGEST_VERSION = 64

#: A package's file below the folder of a kernel's modules.
_PLACE = re.compile(r"(?:usr/)?lib/modules/(?P<version>[^/]+)/(?P<inside>.+)")

_SUFFIX = re.compile(r"\.ko(\.(xz|zst|gz))?$")


def is_module(path: str) -> bool:
    """Whether a path is that of a module file, compressed or not."""
    return _SUFFIX.search(path) is not None


def module_name(path: str) -> str:
    """A module's name from its file's path, or from a name in any spelling."""
    return _SUFFIX.sub("", path.rsplit("/", 1)[-1]).replace("-", "_")


def is_kernel_version(name: str) -> bool:
    """Whether a name can be a kernel's version, and so its folder of modules can have it."""
    return len(name) <= _LONGEST_VERSION and _VERSION.fullmatch(name) is not None


def kernel_order(version: str) -> list[tuple[str, int]]:
    """A key to sort kernels' versions by, the newest last, as ``sort -V`` does for GRUB's menu."""
    pieces = re.findall(r"([^0-9]*)([0-9]*)", version)
    return [(text, int(number or -1)) for text, number in pieces if text or number]


def module_place(name: str) -> tuple[str, str] | None:
    """A kernel's version, and a path in its folder of modules; None for a path elsewhere.

    :param name: a path relative to the root.
    """
    match = _PLACE.fullmatch(name)
    if match is None or not is_kernel_version(match["version"]):
        return None
    return match["version"], match["inside"]


@dataclass(frozen=True)
class ModuleIndex:
    """A kernel's modules and what each needs."""

    depends: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By path: the paths of the modules it needs, direct and indirect."""
    builtin: frozenset[str] = frozenset()
    """Names of what is built into the kernel."""
    soft: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By name: names its ``softdep`` lines want before or after it."""

    @property
    def paths(self) -> dict[str, str]:
        """The path of each module by its name."""
        return {module_name(path): path for path in self.depends}

    def closure(self, names: Iterable[str]) -> tuple[str, ...]:
        """Paths of the named modules and of all they need, soft dependencies too, sorted.

        What is built in needs no file; a soft dependency that the kernel doesn't have is
        left out, as modprobe does; so is a name that isn't known at all.
        """
        by_name = self.paths
        found: set[str] = set()
        waiting = [module_name(name) for name in names]
        while waiting:
            name = waiting.pop()
            path = by_name.get(name)
            if path is None or path in found:
                continue
            found.add(path)
            waiting += [module_name(needed) for needed in self.depends[path]]
            waiting += self.soft.get(name, ())
        return tuple(sorted(found))


def parse_index(dep: str, builtin: str, softdep: str) -> ModuleIndex:
    """The index from the texts of modules.dep, modules.builtin and modules.softdep.

    :raises UnsafeNameError: see :func:`parse_dep`.
    """
    return ModuleIndex(
        depends=parse_dep(dep),
        builtin=frozenset(
            module_name(line.strip()) for line in builtin.splitlines() if line.strip()
        ),
        soft=parse_softdep(softdep),
    )


def parse_dep(text: str) -> dict[str, tuple[str, ...]]:
    """modules.dep: ``path: path path …``.

    :raises UnsafeNameError: a path leads out of the folder of modules; depmod writes no such.
    :raises UnusableInput: there are more modules than any kernel has.
    """
    limits.check_count("modules of a kernel", text.count("\n"), limits.MODULES)
    found = {}
    for line in text.splitlines():
        path, separator, needed = line.partition(":")
        if separator and is_module(path.strip()):
            found[_path(path.strip())] = tuple(map(_path, filter(is_module, needed.split())))
    return found


def _path(word: str) -> str:
    return relative_name(word, of="a kernel's modules.dep")


def parse_softdep(text: str) -> dict[str, tuple[str, ...]]:
    """modules.softdep: ``softdep name pre: a b post: c``."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3 or words[0] != "softdep":
            continue
        wanted = tuple(module_name(word) for word in words[2:] if word not in ("pre:", "post:"))
        name = module_name(words[1])
        found[name] = found.get(name, ()) + wanted
    return found
