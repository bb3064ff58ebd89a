"""Roots of Debian, of any architecture, made from the distribution's signed archive.

mmdebstrap resolves, downloads and extracts with the host's own programs; the
hook ``data/configure-root.sh`` then lets the host's dpkg unpack and configure
the packages, so that only their maintainer scripts run the root's programs.
Where the architecture is foreign, even those run native interpreters for the
time being (``data/with-native-tools.sh``): a root of 100 packages is configured
in seconds instead of minutes, and its files are the same to the last byte.
"""

from __future__ import annotations

import platform
import re
import shlex
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from core import cache, progress
from core.config.model import Architecture
from core.errors import CommandError, KollarmError
from core.run import run

#: Part of every cache key; raise it when the same inputs give another root.
RECIPE = 3

DEFAULT_MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

#: What every root has besides the packages asked for: enough for dpkg and apt to work in it.
FOUNDATION = ("?essential", "?priority(required)", "apt", "debian-archive-keyring")

#: Whose programs stand in for a foreign root's while its packages are configured:
#: the interpreters of maintainer scripts and the tools that take long under emulation.
NATIVE_TOOLS = (
    "?essential",
    "cpio",
    "kmod",
    "libc-bin",
    "openssh-client",
    "openssl",
    "perl",
    "python3-minimal",
    "systemd",
    "udev",
    "xz-utils",
    "zstd",
)

#: Seconds after which a bootstrap is given up.
TIME_LIMIT = 3600.0

#: Run by mmdebstrap's shell while apt's lists are in the root ($1): each Release file says that it
#: is the suite's. apt warns only, and mmdebstrap shows no warnings: an archive could serve an old
#: release, validly signed, under a new one's name.
SUITE_CHECK = r"""
for file in "$1"/var/lib/apt/lists/*_dists_*Release; do
    suite=${file##*_dists_}
    suite=$(echo "${suite%_*Release}" | tr _ /)
    if ! grep -qxE "(Suite|Codename): *$suite" "$file"; then
        echo "E: the archive gives another release for $suite:" \
            $(grep -m 1 -E "^Codename: " "$file") >&2
        exit 1
    fi
done
"""

_SCRIPTS = ("configure-root.sh", "with-native-tools.sh")
_LOADERS = {
    Architecture.X86_64: "/lib64/ld-linux-x86-64.so.2",
    Architecture.AARCH64: "/lib/ld-linux-aarch64.so.1",
}


@dataclass(frozen=True)
class RootArchive:
    """The archive that a root comes from."""

    suite: str
    """A release by its codename (``trixie``)."""
    mirror: str = DEFAULT_MIRROR
    """The main archive, also in the root's own apt sources; the security archive is beside it."""
    check_valid_until: bool = True
    """Whether it is refused past its Valid-Until."""

    @property
    def security(self) -> str:
        """URL of the security archive beside the main one; snapshots of both have a date below."""
        where = self.mirror.rstrip("/")
        snapshot = re.fullmatch(r"(.+)(/[0-9]{8}T[0-9]{6}Z)", where)
        return f"{snapshot[1]}-security{snapshot[2]}" if snapshot else f"{where}-security"

    def sources(self) -> str:
        """Apt sources for main, updates and security (deb822, as sources.list(5) has it)."""
        common = f"Components: main\nSigned-By: {KEYRING}\n"
        if not self.check_valid_until:
            common += "Check-Valid-Until: no\n"
        return (
            f"Types: deb\nURIs: {self.mirror}\nSuites: {self.suite} {self.suite}-updates\n"
            f"{common}\n"
            f"Types: deb\nURIs: {self.security}\nSuites: {self.suite}-security\n"
            f"{common}"
        )


def host_architecture() -> Architecture | None:
    """This machine's architecture, or None when kollarm doesn't know it."""
    try:
        return Architecture(platform.machine())
    except ValueError:
        return None


def root_tarball(
    archive: RootArchive,
    architecture: Architecture,
    packages: Sequence[str] = (),
    *,
    refresh: bool = False,
) -> Path:
    """A tar of a Debian root with the given packages installed and configured.

    It is kept in the cache: the same arguments give the same file, as the
    archive was when it was first made.

    :param packages: names as apt takes them; what they depend on comes with
        them, what they recommend doesn't.
    :param refresh: make it again from the current archive.
    :raises KollarmError: a package is unknown or can't be installed, the
        archive can't be reached or verified, or mmdebstrap is missing.
    """
    names = sorted(set(packages))

    def make(folder: Path) -> None:
        with (
            progress.current().step(f"bootstrap {archive.suite} {architecture}") as step,
            tempfile.TemporaryDirectory(prefix="kollarm-bootstrap-") as scratch,
        ):
            staged = stage(Path(scratch), archive, architecture, refresh=refresh)
            script = shlex.join(["sh", str(staged.folder / "configure-root.sh")])
            hook = f'{script} "$1" {shlex.join(staged.native)}'.rstrip()
            options = ["--variant=extract", f"--extract-hook={hook}"]
            target = folder / "root.tar"
            mmdebstrap(archive, architecture, [*FOUNDATION, *names], options, target, step)

    return _cached("root", archive, architecture, names, make, refresh)


def _cached(
    kind: str,
    archive: RootArchive,
    architecture: Architecture,
    packages: Sequence[str],
    make: Callable[[Path], None],
    refresh: bool,
) -> Path:
    key = cache.digest(
        {
            "recipe": RECIPE,
            "sources": archive.sources(),
            "architecture": architecture,
            "packages": list(packages),
        }
    )
    name = f"{archive.suite}-{architecture.debian}-{key}"
    since = time.time() if refresh else 0.0
    return cache.entry(kind, name, make, since=since) / "root.tar"


def extracted_tarball(
    archive: RootArchive,
    architecture: Architecture,
    packages: Sequence[str],
    *,
    refresh: bool = False,
) -> Path:
    """A tar of the files of packages and of what they depend on, none of them configured.

    Arguments, cache and errors are those of :func:`root_tarball`; none of its
    script is run, so that it takes seconds for any architecture.
    """

    def make(folder: Path) -> None:
        title = f"fetch {', '.join(packages[:3])}{' …' * (len(packages) > 3)} for {architecture}"
        with progress.current().step(title) as step:
            options = ["--variant=extract"]
            mmdebstrap(archive, architecture, packages, options, folder / "root.tar", step)

    return _cached("extracted", archive, architecture, packages, make, refresh)


@dataclass(frozen=True)
class ScriptEnvironment:
    """What it takes to run a root's maintainer scripts, laid out in one folder."""

    folder: Path
    """Readable by every user."""
    native: tuple[str, ...]
    """The arguments of ``with-native-tools.sh`` after the root; empty where the root's programs are
    this machine's own.
    """

    def around(self, root: str | Path) -> list[str]:
        """The words to put before a command that runs the programs of *root*."""
        if not self.native:
            return []
        return ["sh", str(self.folder / "with-native-tools.sh"), str(root), *self.native]


def stage(
    folder: Path, archive: RootArchive, architecture: Architecture, *, refresh: bool = False
) -> ScriptEnvironment:
    """Fill *folder* with the scripts and, for a foreign architecture, the native tools.

    Scripts may run as another user (mmdebstrap's unshare mode), who may not be
    allowed into this user's folders: hence copies that everyone can read.
    """
    folder.chmod(0o755)
    for name in _SCRIPTS:
        (folder / name).write_bytes((files("core") / "data" / name).read_bytes())
    host = host_architecture()
    if host is None or host is architecture:
        return ScriptEnvironment(folder, ())
    tools = extracted_tarball(archive, host, NATIVE_TOOLS, refresh=refresh)
    native = folder / "native"
    native.mkdir()
    triplet = f"{host}-linux-gnu"
    wanted = [f"./{part}" for part in ("usr/bin", "usr/sbin", f"usr/lib/{triplet}")]
    # Initramfs hooks look for libkmod in every library folder, to take it along; of the
    # native programs none that stands in needs it.
    unwanted = ["--exclude=*/libkmod.so*"]
    run(["tar", "-C", native, "--no-same-owner", *unwanted, "-xf", tools, *wanted])
    return ScriptEnvironment(folder, (str(native), triplet, _LOADERS[host]))


def mmdebstrap(
    archive: RootArchive,
    architecture: Architecture,
    packages: Sequence[str],
    options: Sequence[str],
    target: Path,
    step: progress.RunningStep,
) -> None:
    """Run mmdebstrap, its progress shown in *step*, its failure explained."""

    def follow(line: str) -> None:
        if line.startswith(("I: ", "kollarm: ")):
            step.note(line.split(": ", 1)[1].removesuffix("..."))

    source_file = target.with_name("debian.sources")
    source_file.write_text(archive.sources(), encoding="utf-8")
    try:
        run(
            [
                "mmdebstrap",
                f"--architectures={architecture.debian}",
                "--format=tar",
                f"--extract-hook={SUITE_CHECK}",
                *(f"--include={name}" for name in packages),
                *options,
                "--",
                archive.suite,
                target,
                source_file,
            ],
            timeout=TIME_LIMIT,
            on_line=follow,
            hint="kollarm doctor shows what to install",
        )
    except CommandError as error:
        if error.status in (None, 126, 127):
            raise
        fault = first_fault(error.output)
        raise KollarmError(
            f"no {archive.suite} root for {architecture}: {fault}",
            hint=remedy(fault),
            details=error.details,
        ) from error
    finally:
        source_file.unlink()


def first_fault(output: str) -> str:
    """The line of mmdebstrap's, apt's or dpkg's output that says what went wrong first."""
    for line in output.splitlines():
        if line.startswith(("E: ", "dpkg: error")):
            return line.removeprefix("E: ").strip()
    return "mmdebstrap failed"


def remedy(fault: str) -> str:
    """What to do about a fault of :func:`first_fault`."""
    if "is expired" in fault:
        return (
            "use another mirror; a snapshot of an archive needs check_valid_until: false beside "
            "its mirror"
        )
    if "chroot mode" in fault:
        return (
            "without root this needs user namespaces, which this machine doesn't allow: allow them "
            "(sysctl kernel.unprivileged_userns_clone=1, and on Ubuntu "
            "kernel.apparmor_restrict_unprivileged_userns=0), install uidmap, or run it as root"
        )
    return (
        "check the package names, the mirror and the network; "
        "for a foreign architecture, kollarm doctor checks qemu-user and binfmt_misc"
    )
