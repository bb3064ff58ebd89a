"""The root of native programs that emulated build steps see as ``/dev/native``.

It is made of the packages of the image's own distribution release, built for this
machine's architecture.  Its programs are started through a loader of their own, so that
nothing of the image's root changes: the path of the loader in a program's header, and
the paths that the loader itself has compiled in, are replaced by others of the same
length.  ``data/twin.c`` is the library that starts them; ``data/with_native_modules.py``
helps it with builds of pip's.

The folder lies in ``/dev``, which an engine mounts for each step: BuildKit of Docker
20.10 leaves an empty folder in the image for a mount point anywhere else.
"""

from __future__ import annotations

import io
import re
import shlex
import struct
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from core import cache, progress
from core.config.model import Architecture
from core.debian_root import FOUNDATION, RootArchive, extracted_tarball, mmdebstrap
from core.errors import KollarmError

#: Part of the cache key; raise it when the same packages give another root.
RECIPE = 1

#: Where a step sees the root; ``data/twin.c`` has it too.
MOUNT = "/dev/native"
#: The list of libraries that the emulated loader reads (ld.so(8)), a file of the root.
PRELOAD = "preload"

#: The packages whose programs get a native twin.  Their results are the same wherever they
#: run; programs whose answer is the machine's own don't belong here (:data:`NEVER`).
PACKAGES = (
    *FOUNDATION,
    "bzip2",
    "ca-certificates",
    "cpio",
    "debconf",
    "file",
    "g++",
    "gawk",
    "gcc",
    "git",
    "gpgv",
    "make",
    "openssl",
    "patch",
    "perl",
    "python3",
    "unzip",
    "xz-utils",
    "zip",
    "zstd",
)

#: Programs that answer for the architecture that they were built for.
NEVER = frozenset({"getconf", "ldconfig", "lscpu", "setarch", "gdb", "iconvconfig", "pkgconf"})

_CROSS = re.compile(r"usr/(lib|libexec)/gcc-cross/([^/]+)/([^/]+)/(cc1|cc1plus|liblto_plugin\.so)")
#: The compiler's driver, of the image's architecture (a cross compiler's) and of this machine's.
_DRIVER = re.compile(r"usr/bin/([^/]+)-linux-gnu-(g(?:cc|\+\+)-\d+)")
_OWN_COMPILER = re.compile(r"usr/(?:lib|libexec)/gcc/[^/]+/([^/]+)/cc1")
_COMPILER_VERSION = re.compile(rb"\0\(?((?:Debian|Ubuntu) [0-9][^)\0]*)\)?[ \0]")
_PLAIN_PROGRAM = re.compile(r"\./usr/bin/([^/]+)")
_CHANGELOG = re.compile(r"\./usr/share/doc/([^/]+)/changelog\.Debian\.gz")
#: Where parts of the root are looked for.
_PART = re.compile(
    r"usr/(s?bin|lib/apt|lib/git-core|lib/[^/]+-linux-gnu|lib/python3[^/]*/lib-dynload)/|twin"
)
_DYNLOAD = re.compile(r"usr/lib/python3[^/]*/lib-dynload/")
_DPKG = re.compile(r"usr/bin/dpkg(-[a-z]+)?|usr/lib/[^/]+/libapt-pkg\.so\.[\d.]+")
_LOADERS = {
    Architecture.X86_64: "ld-linux-x86-64.so.2",
    Architecture.AARCH64: "ld-linux-aarch64.so.1",
}
_LIBRARY = "twin.so"
_OWN_LIBRARY = "twin-native.so"
_MODULES_SCRIPT = "with_native_modules.py"


@dataclass(frozen=True)
class NativeRoot:
    """Which root: a distribution's release, this machine's architecture, and the image's."""

    archive: RootArchive
    host: Architecture
    target: Architecture

    @property
    def packages(self) -> tuple[str, ...]:
        compilers = (f"gcc-{self.target}-linux-gnu", f"g++-{self.target}-linux-gnu")
        return (*PACKAGES, *(name.replace("_", "-") for name in compilers))

    @property
    def name(self) -> str:
        return f"{self.archive.suite}-{self.host.debian}-{self.target.debian}-{self.key}"

    @property
    def key(self) -> str:
        return cache.digest(
            {
                "recipe": RECIPE,
                "sources": self.archive.sources(),
                "host": self.host,
                "target": self.target,
                "packages": list(self.packages),
                "library": _source("twin.c"),
                "script": _source(_MODULES_SCRIPT),
            }
        )


def tarball(root: NativeRoot, *, refresh: bool = False) -> Path:
    """The root as a tar, from the cache or made now, in about a minute.

    :param refresh: make it again from the current archive.
    :raises KollarmError: a package can't be had, or a program isn't as expected.
    """

    def make(folder: Path) -> None:
        title = f"native tools of {root.archive.suite} for {root.target} images"
        with progress.current().step(title) as step:
            (folder / "twin.c").write_text(_source("twin.c"), encoding="utf-8")
            packed, target = folder / "packages.tar", folder / "root.tar"
            hook = f'sh -euc {shlex.quote(_compilation(root))} sh "$1" {folder}/twin.c'
            options = ["--variant=extract", f"--extract-hook={hook}"]
            mmdebstrap(root.archive, root.host, root.packages, options, packed, step)
            step.note("choosing programs")
            foreign = extracted_tarball(
                root.archive, root.target, (*FOUNDATION, "zstd"), refresh=refresh
            )
            select(packed, target, root.host, root.target, rebuilt(packed, foreign))
            packed.unlink()

    since = time.time() if refresh else 0.0
    return cache.entry("native", root.name, make, since=since) / "root.tar"


def unpacked(root: NativeRoot, packed: Path) -> Path:
    """The root as a folder, from its tar."""

    def make(folder: Path) -> None:
        with tarfile.open(packed) as tar:
            tar.extractall(folder)  # our own

    return cache.entry("native-unpacked", root.name, make, since=packed.stat().st_mtime)


def _source(name: str) -> str:
    return (files("builder.native") / "data" / name).read_text(encoding="utf-8")


def _compilation(root: NativeRoot) -> str:
    """A script that compiles the library for both architectures with the root's own compilers."""
    options = "-std=gnu11 -O2 -fPIC -shared -Wall -Werror"
    own = f'-DMACHINE=\\"{root.target}\\" -DTRIPLET=\\"{root.host}-linux-gnu\\"'
    return (
        'cp "$2" "$1/twin.c"\n'
        f'chroot "$1" {root.target}-linux-gnu-gcc {options} -o /{_LIBRARY} /twin.c -ldl\n'
        f'chroot "$1" {root.host}-linux-gnu-gcc {options} {own} -o /{_OWN_LIBRARY} /twin.c -ldl\n'
    )


def rebuilt(packed: Path, foreign: Path) -> dict[str, int]:
    """The modification times that programs have in an image whose package was built again.

    Such a build (``+b1`` in the version) has the same source, but its own date on each
    architecture.  That it is the same source is seen by the package's changelog; only packages
    named like their program are looked at.
    """

    def contents(path: Path) -> tuple[dict[str, int], dict[str, bytes]]:
        times, changelogs = {}, {}
        with tarfile.open(path) as tar:
            for member in tar:
                if match := _PLAIN_PROGRAM.fullmatch(member.name):
                    times[match[1]] = int(member.mtime)
                elif (match := _CHANGELOG.fullmatch(member.name)) and member.isfile():
                    stream = tar.extractfile(member)
                    changelogs[match[1]] = stream.read() if stream else b""
        return times, changelogs

    (own_times, own_logs), (times, logs) = contents(packed), contents(foreign)
    return {
        f"usr/bin/{name}": time
        for name, time in times.items()
        if own_times.get(name) not in (None, time) and name in logs
        if own_logs.get(name) == logs[name]
    }


def select(
    packed: Path,
    target: Path,
    host: Architecture,
    image: Architecture,
    times: Mapping[str, int],
) -> None:
    """Write the tar of a native root, given the one of its packages and libraries.

    :param times: of programs whose file has another modification time in the image.
    :raises KollarmError: a program isn't as expected.
    """
    own_compilers: dict[str, tuple[int, bytes]] = {}  # GCC's version → date and build of cc1
    cross: list[tuple[tarfile.TarInfo, re.Match[str]]] = []
    drivers: dict[tuple[str, str], tarfile.TarInfo] = {}  # architecture and name
    with tarfile.open(packed) as source, tarfile.open(target, "w") as tar:

        def add(name: str, content: bytes, mtime: float = 0, mode: int = 0o755) -> None:
            member = tarfile.TarInfo(name)
            member.mode, member.size, member.mtime = mode, len(content), mtime
            tar.addfile(member, io.BytesIO(content))

        def read(member: tarfile.TarInfo) -> bytes:
            stream = source.extractfile(member)
            assert stream is not None
            return stream.read()

        for member in source:
            name = member.name.removeprefix("./")
            if match := _CROSS.fullmatch(name):
                cross.append((member, match))
            elif match := _DRIVER.fullmatch(name):
                drivers[match[1], match[2]] = member
            elif match := _OWN_COMPILER.fullmatch(name):
                own_compilers[match[1]] = (int(member.mtime), _version(read(member)))
            elif member.issym() and (place := _library(name, host)):
                link = tarfile.TarInfo(place)
                link.type, link.linkname = tarfile.SYMTYPE, member.linkname
                tar.addfile(link)
            elif (
                (member.isfile() or member.islnk())
                and _PART.match(name)
                and (found := _part(name, read(member), host, image))
            ):
                add(*found, times.get(name, member.mtime))
        for member, match in cross:
            _add_compiler(add, read(member), match, own_compilers, host)
        for (architecture, program), member in drivers.items():
            own, content = drivers.get((host, program)), read(member)
            if architecture == image and own and _version(content) == _version(read(own)):
                name = member.name.removeprefix("./")
                add(name, driver(content, host, name), own.mtime)
        add(_MODULES_SCRIPT, _source(_MODULES_SCRIPT).encode(), mode=0o644)
        add(PRELOAD, f"{MOUNT}/{_LIBRARY}\n".encode(), mode=0o644)
        add("ld.pre", f"{MOUNT}/{_OWN_LIBRARY}\n".encode(), mode=0o644)


def _library(name: str, host: Architecture) -> str | None:
    """The place in the root of a file or link beside the libraries; None if it stands elsewhere."""
    folder = f"usr/lib/{host}-linux-gnu/"
    return f"lib/{name.removeprefix(folder)}" if name.startswith(folder) else None


def _part(
    name: str, content: bytes, host: Architecture, image: Architecture
) -> tuple[str, bytes] | None:
    """The place and the content of a package's file in the root; None if it isn't needed there."""
    if name in (_LIBRARY, _OWN_LIBRARY) or _DYNLOAD.match(name):
        return name, content
    if _DPKG.fullmatch(name):
        content = with_architecture(content, host, image, name)
    if place := _library(name, host):
        if place == f"lib/{_LOADERS[host]}":
            return "ld.so", loader(content, host)
        return None if name.endswith((".a", ".o")) else (place, content)
    if Path(name).name in NEVER or not _is_program(content, host):
        return None
    return name, with_loader(content, host, name)


def _add_compiler(
    add: Callable[..., None],
    content: bytes,
    match: re.Match[str],
    compilers: Mapping[str, tuple[int, bytes]],
    host: Architecture,
) -> None:
    """Add a part of the cross compiler as the twin of the image's own.

    It is built from the same source in a package of its own date; and it would look for
    the compiler's own headers in its own folder.
    """
    folder, triplet, version, program = match.groups()
    if version not in compilers:
        return
    mtime, own_version = compilers[version]
    image_folder = f"usr/{folder}/gcc/{triplet}/{version}"
    if program.endswith(".so"):
        add(f"{image_folder}/{program}", content, mtime)
        return
    if _version(content) != own_version:
        return
    # a cross compiler looks into a folder of its own where the image's looks into this one
    cross = f"/usr/lib/gcc-cross/{triplet}/{version}/../../../../{triplet}/include\0"
    content = _with_path(content, cross, "/usr/local/include", match[0], "\0")
    add(match[0], with_loader(content, host, match[0]), mtime)
    prefix = f"/usr/lib/gcc/{triplet}/{version}/"
    script = f'#!{MOUNT}/usr/bin/dash\nexec {MOUNT}/{match[0]} "$@" -iprefix {prefix}\n'
    add(f"{image_folder}/{program}", script.encode(), mtime)


def _version(content: bytes) -> bytes:
    """The source version that a part of the compiler was built from; empty if it has none."""
    found = _COMPILER_VERSION.search(content)
    return found[1] if found else b""


def driver(content: bytes, host: Architecture, name: str) -> bytes:
    """A cross compiler's driver that finds what the image's own would.

    :raises KollarmError: it doesn't have one of the paths, or another loader.
    """
    for path in ("/usr/lib/gcc-cross/", "/usr/libexec/gcc-cross/"):
        content = _with_path(content, path, path.replace("-cross", ""), name)
    return with_loader(content, host, name)


def _with_path(content: bytes, path: str, new: str, name: str, filler: str = "/") -> bytes:
    """A program with another path: slashes make up for the length, which it has compiled in, too.

    :raises KollarmError: it doesn't have the path, or the new one is longer.
    """
    if len(new) > len(path) or path.encode() not in content:
        raise KollarmError(f"{name} doesn't have {path}")
    return content.replace(path.encode(), new.ljust(len(path), filler).encode())


def _is_program(content: bytes, host: Architecture) -> bool:
    """Whether a file is a dynamically linked program of an architecture."""
    return content[:4] == b"\x7fELF" and _interpreter(host) in content


def _interpreter(host: Architecture) -> bytes:
    folder = b"/lib64/" if host is Architecture.X86_64 else b"/lib/"
    return folder + _LOADERS[host].encode() + b"\0"


def with_loader(content: bytes, host: Architecture, name: str) -> bytes:
    """A program that is started by the root's loader (elf(5), PT_INTERP).

    :raises KollarmError: its header names another loader, or none.
    """
    (table,) = struct.unpack_from("<Q", content, 0x20)
    size, count = struct.unpack_from("<HH", content, 0x36)
    for number in range(count):
        kind, _, start, _, _, length = struct.unpack_from("<IIQQQQ", content, table + number * size)
        if kind == 3 and content[start : start + length] == _interpreter(host):
            own = f"{MOUNT}/ld.so".encode().ljust(length, b"\0")
            return content[:start] + own + content[start + length :]
    raise KollarmError(f"{name} isn't a program of {host} with the usual loader")


def loader(content: bytes, host: Architecture) -> bytes:
    """A loader that takes libraries, its cache and its list of preloads from the root.

    :raises KollarmError: it doesn't have one of the paths.
    """
    triplet, name = f"{host}-linux-gnu", f"the loader of {host}"
    for path, replacement, filler in (
        (f"/usr/lib/{triplet}/", f"{MOUNT}/lib/", "/"),
        (f"/lib/{triplet}/", f"{MOUNT}/lib/", "/"),
        ("/etc/ld.so.cache", f"{MOUNT}/ld.c", "\0"),
        ("/etc/ld.so.preload", f"{MOUNT}/ld.pre", "\0"),
    ):
        content = _with_path(content, path, replacement, name, filler)
    return content


def with_architecture(content: bytes, host: Architecture, image: Architecture, name: str) -> bytes:
    """A program of dpkg's, or apt's library, that answers with an image's architecture.

    It is one constant (dpkg's ``ARCHITECTURE``, apt's ``COMMON_ARCH``), set when they are
    built; Debian's names for the two architectures have the same length.

    :raises KollarmError: the constant occurs more than once.
    """
    old, new = (f"\0{arch.debian}\0".encode() for arch in (host, image))
    if content.count(old) > 1:
        raise KollarmError(f"{name} names {host.debian} more than once")
    return content.replace(old, new)
