"""The OpenStack releases that kollarm deploys, and how their kolla-ansible differs.

Only what is not in a release's own files is listed here; the rest is read from them
(:mod:`core.kolla_ansible.release_files`).  Version numbers:
https://pypi.org/project/kolla-ansible/ and https://pypi.org/project/ansible/ (the newest version
that the release allows and that runs on Python 3.11).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from core.errors import ConfigError, Fault


@dataclass(frozen=True)
class DeployRelease:
    """One OpenStack release as kolla-ansible deploys it."""

    name: str
    """The value of ``release`` in the configuration."""
    version: str
    """The version of the package kolla-ansible."""
    ansible: str
    """The version of the package ansible that it requires."""
    pins: tuple[str, ...] = ()
    """Further requirements, which hold back packages that are too new for it."""
    python: tuple[int, int] = (3, 10)
    """The oldest Python version that its packages run on."""
    fluentd_on_arm: bool = True
    """Whether Kolla has a fluentd image for aarch64."""
    architecture_prefilter: bool = True
    """Whether Nova's image_metadata_prefilter knows an image's architecture, as since Yoga."""
    cpu_model_option: str = "cpu_models"
    """Nova's option for the model of a guest's processor, whose name is newer than Stein."""
    transport_url_slash: bool = False
    """Whether a slash must be appended to the two transport URLs.

    Fixed upstream in 8.0.0 (commit 5bfcb5842).
    """

    @property
    def requirements(self) -> tuple[str, ...]:
        """The packages to install; docker is for modules that run on localhost."""
        return (f"kolla-ansible=={self.version}", f"ansible=={self.ansible}", "docker", *self.pins)

    @property
    def genconfig_needs_toolbox(self) -> bool:
        """Whether genconfig with nova fails before the first deploy.

        One of its tasks runs in the kolla_toolbox container, which doesn't exist yet.  This is so
        from 20.5.0, 21.2.0, 22.1.0 and 23.0.0 on.
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
            # Ansible 2.9 uses functions that Jinja2 3.1 removed.
            pins=("Jinja2<3.1", "setuptools<81"),
            fluentd_on_arm=False,
            architecture_prefilter=False,
            cpu_model_option="cpu_model",
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
    """The release of that name.

    :param version: another version of kolla-ansible than the default one.
    :param ansible: another version of ansible.
    :raises ConfigError: there is no such release, or the version belongs to another release.
    """
    try:
        release = RELEASES[name]
    except KeyError:
        raise ConfigError(
            f"release {name} can't be deployed",
            [Fault("release", f"{name!r} is unknown", f"known: {', '.join(RELEASES)}")],
        ) from None
    version = version or release.version
    series = release.version.split(".")[0]
    if not re.fullmatch(rf"{series}\.\d+\.\d+(\.\w+)?", version):
        raise ConfigError(
            f"kolla-ansible {version} doesn't deploy {name}",
            [Fault("deploy.kolla_ansible.version", f"must be {series}.x.y for {name}")],
        )
    return replace(release, version=version, ansible=ansible or release.ansible)
