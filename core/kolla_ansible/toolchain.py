"""kolla-ansible from PyPI: its files, and a virtual environment that runs it.

A plan needs its files only (one small wheel); the environment with Ansible and its collections
is made when something has to run.
"""

from __future__ import annotations

import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from core import cache, progress, venv
from core.errors import KollarmError
from core.kolla_ansible.release_files import ReleaseFiles
from core.kolla_ansible.releases import DeployRelease, find


@dataclass(frozen=True)
class AnsibleToolchain:
    """An installed kolla-ansible."""

    root: Path
    """The virtual environment's folder."""

    def program(self, name: str) -> Path:
        """The path of one of its programs."""
        return self.root / "bin" / name


def release_tree(name: str) -> ReleaseFiles:
    """A release's own files, downloaded on first use.

    :param name: the OpenStack release (``2026.1``).
    :raises ConfigError: there is no such release.
    :raises KollarmError: PyPI, or the index that pip is configured for, can't be reached.
    """
    return tree_of(find(name))


def tree_of(release: DeployRelease) -> ReleaseFiles:
    """Like :func:`release_tree`, for a :class:`DeployRelease`."""
    requirement = f"kolla-ansible=={release.version}"

    def make(folder: Path) -> None:
        with progress.current().step(f"download {requirement}"):
            wheel = venv.download(requirement, folder, "binary")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        wheel.unlink()

    folder = cache.entry("kolla-ansible", release.version, make)
    (data,) = folder.glob("*.data")
    script = data / "scripts/kolla-ansible"
    return ReleaseFiles(
        data / "data/share/kolla-ansible",
        script.read_text(encoding="utf-8") if script.is_file() else "",
    )


def toolchain(release: DeployRelease) -> AnsibleToolchain:
    """The release's environment, made on first use (about a minute).

    :raises KollarmError: this Python is too old for it, or pip fails.
    """
    if sys.version_info[:2] < release.python:
        required = ".".join(map(str, release.python))
        raise KollarmError(
            f"kolla-ansible {release.version} requires Python {required}; this is "
            f"{sys.version_info[0]}.{sys.version_info[1]}",
            hint=f"run kollarm with Python {required} or newer, or deploy an older release",
        )
    return AnsibleToolchain(
        venv.environment(f"kolla-ansible {release.version}", release.requirements)
    )
