"""The OpenStack releases kollarm deploys, and how their kolla-ansible differs.

Only what a release's own files can't tell stands here; the rest is read from
them (:mod:`core.kolla_ansible.release_files`).  Version numbers: https://pypi.org/project/kolla-ansible/
and https://pypi.org/project/ansible/ (the newest of the series that the release
allows and that Python 3.11 runs).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.errors import ConfigError, Fault


@dataclass(frozen=True)
class DeployRelease:
    """One OpenStack release as kolla-ansible deploys it."""

    name: str
    """What ``release:`` in the configuration says."""
    version: str
    """The kolla-ansible package that is installed."""
    ansible: str
    """The ``ansible`` package that goes with it."""
    pins: tuple[str, ...] = ()
    """Further packages that must not be newer."""
    python: tuple[int, int] = (3, 10)
    """The oldest Python that its packages run on."""
    fluentd_on_arm: bool = True
    """Whether Kolla has a fluentd image for aarch64."""
    transport_url_slash: bool = False
    """Whether the two transport URLs lack their closing slash (mended upstream in 8.0.0, commit
    5bfcb5842).
    """

    @property
    def requirements(self) -> tuple[str, ...]:
        """What pip installs; docker is for modules run on the deploying host itself."""
        return (
            f"kolla-ansible=={self.version}",
            f"ansible=={self.ansible}",
            "docker",
            *self.pins,
        )

    @property
    def genconfig_needs_toolbox(self) -> bool:
        """Whether genconfig with nova fails before a first deploy.

        Its task asks the kolla_toolbox container, which isn't there yet:
        20.5.0, 21.2.0, 22.1.0 and 23.0.0 and what follows each.
        """
        major, minor = (int(part) for part in self.version.split(".")[:2])
        since = {20: 5, 21: 2, 22: 1}
        return major >= 23 or minor >= since.get(major, 1_000_000)


RELEASES: dict[str, DeployRelease] = {
    release.name: release
    for release in (
        DeployRelease(
            "rocky",
            "7.2.1",
            "2.9.27",
            # Ansible 2.9 uses what Jinja2 3.1 removed.
            pins=("Jinja2<3.1", "setuptools<81"),
            fluentd_on_arm=False,
            transport_url_slash=True,
        ),
        DeployRelease("2023.1", "16.7.0", "7.7.0"),
        DeployRelease("2023.2", "17.9.0", "8.7.0"),
        DeployRelease("2024.1", "18.8.0", "9.13.0"),
        DeployRelease("2024.2", "19.8.0", "10.7.0"),
        DeployRelease("2025.1", "20.6.0", "11.13.0", python=(3, 11)),
        DeployRelease("2025.2", "21.3.0", "11.13.0", python=(3, 11)),
        DeployRelease("2026.1", "22.2.0", "12.3.0", python=(3, 11)),
        DeployRelease("2026.2", "23.0.0", "13.1.0", python=(3, 12)),
    )
}


def find(name: str, *, version: str | None = None, ansible: str | None = None) -> DeployRelease:
    """The release of that name, other package versions put in where given.

    :raises ConfigError: kollarm knows no such release, or the version is another release's.
    """
    try:
        release = RELEASES[name]
    except KeyError:
        raise ConfigError(
            f"release {name} can't be deployed",
            [Fault("release", f"{name!r} is none of {', '.join(RELEASES)}")],
        ) from None
    wanted = version or release.version
    if not re.fullmatch(r"\d+\.\d+\.\d+(\.\w+)?", wanted) or (
        wanted.split(".")[0] != release.version.split(".")[0]
    ):
        series = release.version.split(".")[0]
        raise ConfigError(
            f"kolla-ansible {wanted} doesn't deploy {name}",
            [Fault("deploy.kolla_ansible.version", f"{name} is the series {series}.x.y")],
        )
    return DeployRelease(
        release.name,
        wanted,
        ansible or release.ansible,
        release.pins,
        release.python,
        release.fluentd_on_arm,
        release.transport_url_slash,
    )
