"""The OpenStack releases kollarm knows, and the Kolla package of each.

Source of the numbers: https://pypi.org/project/kolla/#history and
https://releases.openstack.org/.  The abilities of a release's kolla-build are not
listed here: the release is asked (``data/kolla_driver.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import ConfigError, Fault


@dataclass(frozen=True)
class KollaRelease:
    """One OpenStack release as Kolla packages it."""

    name: str
    """The value of ``release:`` in the configuration."""
    requirements: tuple[str, ...]
    """Packages that pip installs with their dependencies."""
    bare_requirements: tuple[str, ...] = ()
    """Packages that pip installs after that with ``--no-deps``, for releases whose declared
    dependencies no longer install on today's Python.
    """


#: Requirements for rendering with an old Kolla, in versions that run on today's Python.
#: Their templates use ``jinja2.contextfunction`` and ``contextfilter``, which
#: Jinja2 3.1 dropped; setuptools 81 dropped pkg_resources, which old versions of pbr import.
LEGACY_REQUIREMENTS = (
    "Jinja2==3.0.3",
    "oslo.config",
    "GitPython",
    "six",
    "requests",
    "PyYAML",
    "pbr",
    "setuptools<81",
)


_LEGACY = {
    "rocky": "7.1.1",
    "stein": "8.0.5",
    "train": "9.4.0",
    "ussuri": "10.4.0",
    "victoria": "11.3.0",
    "wallaby": "12.7.0",
    "xena": "13.10.0",
    "yoga": "14.12.0",
}
_CURRENT = {
    "zed": "15.6.0",
    "2023.1": "16.6.0",
    "2023.2": "17.9.0",
    "2024.1": "18.8.0",
    "2024.2": "19.8.0",
    "2025.1": "20.6.0",
    "2025.2": "21.3.0",
    "2026.1": "22.2.0",
    "2026.2": "23.0.0",
}

#: Each release with the last Kolla of its series, the oldest first.
RELEASES = {
    name: KollaRelease(name, LEGACY_REQUIREMENTS, (f"kolla=={version}",))
    for name, version in _LEGACY.items()
} | {name: KollaRelease(name, (f"kolla=={version}",)) for name, version in _CURRENT.items()}


def find(name: str) -> KollaRelease:
    """The release of that name.

    :raises ConfigError: kollarm knows no such release.
    """
    try:
        return RELEASES[name]
    except KeyError:
        raise ConfigError(
            f"release {name} is unknown",
            [Fault("release", f"{name!r} is not one of {', '.join(RELEASES)}")],
        ) from None


def spans(entries: Sequence[str], name: str) -> bool:
    """Whether a list of releases has one; ``2025.1+`` is that release and all later ones."""
    order = list(RELEASES)
    later = {entry.removesuffix("+") for entry in entries if entry.endswith("+")}
    return name in entries or (
        name in RELEASES
        and any(order.index(one) <= order.index(name) for one in later if one in RELEASES)
    )
