"""What the small cloud runs on besides Debian's packages, each fetched on first use."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from core import cache, progress
from core.errors import CommandError, KollarmError
from core.run import run, which
from core.venv import environment
from testbed.cloud.layout import ComputeHost

#: Modules that run inside Nova's virtual environment.
DATA = Path(__file__).parent / "data"

#: Commands the cloud needs, and the package of each.
COMMANDS = {
    "libvirtd": "libvirt-daemon",
    "rabbitmqctl": "rabbitmq-server",
    "mariadbd": "mariadb-server-core",
    "unshare": "util-linux",
}

#: The package of the QEMU for each architecture.
QEMU = {"aarch64": "qemu-system-arm", "x86_64": "qemu-system-x86"}

#: Where the distribution's Python keeps its modules.
_DISTRIBUTION = Path("/usr/lib/python3/dist-packages")

_BINDING = ("libvirt.py", "libvirt_qemu.py", "libvirtaio.py", "libvirtmod*.so")


def check(hosts: Iterable[ComputeHost]) -> None:
    """See that the distribution's packages are there, for these compute hosts.

    :raises KollarmError: some aren't, with the command that installs them.
    """
    emulators = {f"qemu-system-{host.architecture}": QEMU[host.architecture] for host in hosts}
    wanted = COMMANDS | emulators
    missing = [package for command, package in wanted.items() if which(command) is None]
    if not (_DISTRIBUTION / "libvirt.py").exists():
        missing.append("python3-libvirt")
    if not list(Path("/usr/share/OVMF").glob("OVMF_CODE*.fd")):
        missing.append("ovmf")
    if missing:
        raise KollarmError(
            f"the cloud needs packages that aren't installed: {', '.join(missing)}",
            hint="scripts/dev-cloud up installs them",
        )


def tools() -> Path:
    """The virtual environment with Nova and Placement, made on first use."""
    lines = requirements().splitlines()
    return environment("Nova", [line for line in lines if line and not line.startswith("#")])


def requirements() -> str:
    """The pinned packages of that environment, a requirements file of pip's."""
    return (DATA / "nova-requirements.txt").read_text()


def drivers() -> str:
    """The source of the cloud's own modules for Nova."""
    return "".join(path.read_text() for path in sorted(DATA.glob("*.py")))


def libvirt_binding(folder: Path) -> Path:
    """A folder for PYTHONPATH with the distribution's libvirt binding and nothing else of it.

    PyPI has its source only, which would need a compiler and libvirt's headers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in _BINDING:
        for module in _DISTRIBUTION.glob(pattern):
            link = folder / module.name
            link.unlink(missing_ok=True)
            link.symlink_to(module)
    return folder


def novnc() -> Path:
    """The folder of noVNC's pages: the distribution's, installed or unpacked.

    The package itself isn't installed: it would bring a web server and numpy.

    :raises KollarmError: the distribution's archive can't be reached.
    """
    installed = Path("/usr/share/novnc")
    if (installed / "vnc_lite.html").exists():
        return installed

    def make(folder: Path) -> None:
        with progress.current().step("fetch noVNC"):
            try:
                run(["apt-get", "-qq", "download", "novnc"], cwd=folder, timeout=300)
                (package,) = folder.glob("novnc_*.deb")
                run(["dpkg-deb", "-x", package, folder], timeout=60)
            except (CommandError, ValueError) as error:
                raise KollarmError(
                    "the package novnc can't be fetched",
                    details=getattr(error, "details", None),
                    hint="apt-get update; is the distribution's archive reachable?",
                ) from error

    version = run(["apt-cache", "show", "--no-all-versions", "novnc"], check=False).stdout
    key = cache.digest({"package": version})
    return cache.entry("novnc", key, make) / "usr" / "share" / "novnc"
