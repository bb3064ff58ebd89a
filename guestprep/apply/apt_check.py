"""apt's own judgement of a guest's packages: whether it would still install anything there.

apt-get runs on the host, without its configuration. It reads no file of the guest, only a list
composed of what was parsed here.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from core.errors import UnusableInput
from core.run import run
from guestprep.archive.package import ArchivePackage
from guestprep.parse.dpkg import DpkgStatus, InstalledPackage
from guestprep.plan.model import InstallStep, ReplaceStep

#: What a name, a version and a group of alternatives are made of (deb-control(5)).
_WORD = re.compile(r"[A-Za-z0-9+.:~_-]+")
_GROUP = re.compile(r"[A-Za-z0-9+.:~_<>=()|\[\]! -]+")

_CONFIGURATION = """\
Dir "{folder}";
Dir::State::status "{folder}/status";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
APT::Architecture "{architecture}";
APT::Architectures "{architectures}";
Debug::NoLocking "true";
"""


def require_fitting(status: DpkgStatus, steps: Iterable[InstallStep], architecture: str) -> None:
    """Refuse packages with which apt would find something unmet or broken that isn't so before.

    :param status: the guest's packages.
    :param architecture: Debian's name for the guest's.
    :raises UnusableInput: with apt's words.
    """
    steps = tuple(steps)
    new = [package for step in steps for package in step.packages]
    removed = {name for step in steps if isinstance(step, ReplaceStep) for name in step.remove}
    if not new and not removed:
        return
    present = [package for package in status.packages.values() if package.installed]
    kept = [package for package in present if package.name not in removed]
    after = complaints([*kept, *new], architecture)
    if after and (caused := sorted(after - complaints(present, architecture))):
        raise UnusableInput(
            f"the guest's packages would no longer fit together: {caused[0]}",
            details="\n".join(caused[1:]) or None,
            hint="leave out the package that causes it, or let the guest install it at its first "
            "start",
        )


def complaints(
    packages: Iterable[InstalledPackage | ArchivePackage], architecture: str
) -> frozenset[str]:
    """What ``apt-get check`` says of these packages if they are what is installed.

    :returns: one sentence for each unmet or broken relation; none when all is well.
    """
    packages = tuple(packages)
    foreign = sorted({package.architecture for package in packages} - {architecture, "all"})
    known = [architecture, *(name for name in foreign if _WORD.fullmatch(name))]
    with tempfile.TemporaryDirectory(prefix="kollarm-apt-") as name:
        folder = Path(name)
        (folder / "etc/apt/apt.conf.d").mkdir(parents=True)
        (folder / "var/lib/apt/lists/partial").mkdir(parents=True)
        (folder / "status").write_text("".join(map(_paragraph, packages)), "utf-8")
        settings = folder / "settings"
        settings.write_text(
            _CONFIGURATION.format(
                folder=folder, architecture=architecture, architectures=",".join(known)
            ),
            "utf-8",
        )
        done = run(
            ["apt-get", "check"],
            env={"APT_CONFIG": str(settings)},
            check=False,
            hint="install the package apt, whose rules packages are checked by",
        )
    return frozenset(_sentences(done.stdout)) if done.status else frozenset()


def _sentences(output: str) -> Iterator[str]:
    """What apt has printed of broken packages: indented, the first line of each with its name."""
    name = ""
    for line in output.splitlines():
        if line.startswith(" ") and line.strip():
            first, separator, rest = line.strip().partition(" : ")
            name = first if separator else name
            yield f"{name}: {rest if separator else first}"


def _relations(package: InstalledPackage | ArchivePackage) -> Iterator[tuple[str, str]]:
    """Each kind of relation, with those of its groups that can be read."""
    for kind, value in package.relations.items():
        groups = (
            (" ".join(group.split()) for group in value.split(","))
            if isinstance(value, str)
            else (" | ".join(map(str, alternatives)) for alternatives in value)
        )
        yield kind, ", ".join(group for group in groups if _GROUP.fullmatch(group))


def _paragraph(package: InstalledPackage | ArchivePackage) -> str:
    """A package as dpkg's status has it; without what isn't a package's name or version."""
    words = (package.name, package.version, package.architecture)
    if not all(map(_WORD.fullmatch, words)):
        return ""
    fields = {
        "Package": package.name,
        "Status": "install ok installed",
        "Maintainer": "x",
        "Architecture": package.architecture,
        "Multi-Arch": package.multi_arch if _WORD.fullmatch(package.multi_arch) else "",
        "Version": package.version,
        "Provides": ", ".join(
            name for name in map(str, package.provides) if _GROUP.fullmatch(name)
        ),
        **dict(_relations(package)),
    }
    return "".join(f"{key}: {value}\n" for key, value in fields.items() if value) + "\n"
