"""What the pure functions of deploy work from: the configuration, put together once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from core.config.deploy import Deploy, Host
from core.config.model import Architecture, Config
from core.kolla_ansible.releases import DeployRelease, find
from deploy.credentials import config_dir

_RANGE = re.compile(r"\[(\d+):(\d+)\]")


@dataclass(frozen=True)
class Settings:
    """Everything about a deployment that the configuration says."""

    release: DeployRelease
    distro: str
    registry: str
    """Host:port that the cloud's hosts pull from."""
    registry_insecure: bool
    namespace: str
    tag: str
    config_dir: Path
    """Kolla's configuration folder on this machine."""
    guests: tuple[str, ...]
    """Names of the guest images that are published to the cloud."""
    deploy: Deploy

    @property
    def inventory(self) -> Path:
        """The inventory directory that kolla-ansible is given."""
        return self.config_dir / "inventory"


@dataclass(frozen=True)
class ResolvedHost:
    """One machine of the cloud, ranges and common settings resolved."""

    name: str
    key: str
    """Its key in ``deploy.hosts`` (the range it came from)."""
    architecture: Architecture
    groups: tuple[str, ...]
    local: bool
    derived: dict[str, JsonValue]
    """The variables that the configuration's other keys stand for."""
    own: dict[str, JsonValue]
    """The user's further variables, as written."""

    @property
    def variables(self) -> dict[str, JsonValue]:
        """All of its variables."""
        return self.derived | self.own


def settings(config: Config, deploy: Deploy) -> Settings:
    """The settings of a configuration.

    :raises ConfigError: the release can't be deployed.
    """
    wanted = deploy.kolla_ansible
    return Settings(
        release=find(config.release, version=wanted.version, ansible=wanted.ansible),
        distro=config.build.distro.value,
        registry=config.registry.address,
        registry_insecure=config.registry.insecure or config.registry.embedded,
        namespace=config.build.namespace,
        tag=config.build.tag or config.release,
        config_dir=config_dir(config, deploy),
        guests=tuple(guest.name for guest in config.guests),
        deploy=deploy,
    )


def machines(given: Settings) -> tuple[ResolvedHost, ...]:
    """Every machine of the cloud, in the order of the configuration."""
    return tuple(
        ResolvedHost(
            name,
            key,
            host.architecture,
            tuple(host.groups),
            host.connection == "local",
            dict(_derived(given, host)),
            dict(host.variables),
        )
        for key, host in given.deploy.hosts.items()
        for name in names(key)
    )


def names(pattern: str) -> tuple[str, ...]:
    """The names that an Ansible host range stands for: ``control[01:03]`` is three.

    Source: https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html
    (adding ranges of hosts).
    """
    found = _RANGE.search(pattern)
    if not found:
        return (pattern,)
    first, last = found.groups()
    width = len(first) if first.startswith("0") else 0
    return tuple(
        pattern[: found.start()] + f"{number:0{width}d}" + pattern[found.end() :]
        for number in range(int(first), int(last) + 1)
    )


def _derived(given: Settings, host: Host) -> Iterator[tuple[str, JsonValue]]:
    common, own = given.deploy.ssh, host.ssh
    if host.address:
        yield "ansible_host", host.address
    if host.connection == "local":
        yield "ansible_connection", "local"
    else:
        user = own.user or common.user
        key = own.private_key or common.private_key
        port = own.port or common.port
        if user:
            yield "ansible_user", user
        if key:
            yield "ansible_ssh_private_key_file", key
        if port:
            yield "ansible_port", port
        become = own.become if own.become is not None else common.become
        if become if become is not None else user not in (None, "root"):
            yield "ansible_become", True
    if host.python:
        yield "ansible_python_interpreter", host.python
    yield from (
        dict(given.deploy.interfaces.variables()) | dict(host.interfaces.variables())
    ).items()
