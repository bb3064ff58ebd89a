"""The software of the small cloud: Debian's packages, Nova's virtual environment, noVNC."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from core import cache, progress
from core.errors import CommandError, KollarmError
from core.run import run, which
from core.venv import environment
from testbed.cloud.layout import ComputeHost

#: The folder of modules that run in Nova's virtual environment.
DATA = Path(__file__).parent / "data"

#: The commands that the cloud requires, and the package of each.
COMMANDS = {
    "libvirtd": "libvirt-daemon",
    "rabbitmqctl": "rabbitmq-server",
    "mariadbd": "mariadb-server-core",
    "unshare": "util-linux",
}

#: The package of the QEMU for each architecture.
QEMU = {"aarch64": "qemu-system-arm", "x86_64": "qemu-system-x86"}

#: The modules of the distribution's Python.
_DISTRIBUTION = Path("/usr/lib/python3/dist-packages")

_BINDING = ("libvirt.py", "libvirt_qemu.py", "libvirtaio.py", "libvirtmod*.so")


def check(hosts: Iterable[ComputeHost]) -> None:
    """Check that the distribution's packages for these compute hosts are installed.

    :raises KollarmError: some are missing; with the command that installs them.
    """
    emulators = {f"qemu-system-{host.architecture}": QEMU[host.architecture] for host in hosts}
    required = COMMANDS | emulators
    missing = [package for command, package in required.items() if which(command) is None]
    if not (_DISTRIBUTION / "libvirt.py").exists():
        missing.append("python3-libvirt")
    if not list(Path("/usr/share/OVMF").glob("OVMF_CODE*.fd")):
        missing.append("ovmf")
    if missing:
        raise KollarmError(
            f"these packages are missing: {', '.join(missing)}",
            hint="install them with: scripts/dev-cloud up",
        )


def tools() -> Path:
    """The virtual environment with Nova and Placement, made on first use."""
    lines = requirements().splitlines()
    return environment("Nova", [line for line in lines if line and not line.startswith("#")])


def requirements() -> str:
    """The text of the requirements file for that environment."""
    return (DATA / "nova-requirements.txt").read_text()


def drivers() -> str:
    """The source code of the cloud's own modules for Nova."""
    return "".join(path.read_text() for path in sorted(DATA.glob("*.py")))


def libvirt_binding(folder: Path) -> Path:
    """Link the distribution's libvirt binding, without its other modules, into a folder.

    PyPI has the binding's source only, which requires a compiler and libvirt's headers.

    :returns: the folder, for PYTHONPATH.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in _BINDING:
        for module in _DISTRIBUTION.glob(pattern):
            link = folder / module.name
            link.unlink(missing_ok=True)
            link.symlink_to(module)
    return folder


def novnc() -> Path:
    """The folder of noVNC's pages, from the distribution's package.

    If the package isn't installed it is only unpacked, as it requires a web server and numpy.

    :raises KollarmError: the distribution's archive can't be reached.
    """
    installed = Path("/usr/share/novnc")
    if (installed / "vnc_lite.html").exists():
        return installed

    def make(folder: Path) -> None:
        with progress.current().step("download noVNC"):
            try:
                run(["apt-get", "-qq", "download", "novnc"], cwd=folder, timeout=300)
                (package,) = folder.glob("novnc_*.deb")
                run(["dpkg-deb", "-x", package, folder], timeout=60)
            except (CommandError, ValueError) as error:
                raise KollarmError(
                    "the package novnc can't be downloaded",
                    details=getattr(error, "details", None),
                    hint="run apt-get update; is the distribution's archive reachable?",
                ) from error

    version = run(["apt-cache", "show", "--no-all-versions", "novnc"], check=False).stdout
    key = cache.digest({"package": version})
    return cache.entry("novnc", key, make) / "usr" / "share" / "novnc"
