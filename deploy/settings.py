"""The settings of a deployment, put together from the sections of the configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from core.config.deploy import Deploy, Host
from core.config.model import Architecture, Config
from core.errors import ConfigError
from core.kolla_ansible.releases import DeployRelease, find
from deploy.credentials import config_dir

if TYPE_CHECKING:
    from core.attestation.signing import PublicKey

_RANGE = re.compile(r"\[(\d+):(\d+)\]")


@dataclass(frozen=True)
class Settings:
    """Everything that the configuration says about a deployment."""

    release: DeployRelease
    distro: str
    registry: str
    """``host:port`` of the registry that the cloud's hosts pull from."""
    registry_insecure: bool
    namespace: str
    tag: str
    config_dir: Path
    """Kolla's configuration folder on this machine."""
    state_dir: Path
    """Where kollarm remembers the newest indices that it has seen."""
    guests: tuple[str, ...]
    """Names of the guest images that are published to the cloud."""
    deploy: Deploy
    signed_by: PublicKey | None = None
    """The key that must have signed the images; None if they needn't be signed."""

    @property
    def inventory(self) -> Path:
        """The inventory directory for kolla-ansible."""
        return self.config_dir / "inventory"


@dataclass(frozen=True)
class ResolvedHost:
    """One host of the cloud, ranges and common settings resolved."""

    name: str
    key: str
    """Its key in ``deploy.hosts`` (a name or a range)."""
    architecture: Architecture
    groups: tuple[str, ...]
    local: bool
    derived: dict[str, JsonValue]
    """The variables that follow from its other keys."""
    own: dict[str, JsonValue]
    """The host's own ``variables`` in the configuration."""

    @property
    def variables(self) -> dict[str, JsonValue]:
        """All of its variables."""
        return self.derived | self.own


#: What Ansible tries when it looks for a host's Python itself. kolla-ansible's bootstrap-servers
#: has it do so, whatever ansible_python_interpreter says.
DISCOVERED = "ansible_interpreter_python_fallback"


def settings_for(config: Config, deploy: Deploy) -> Settings:
    """The settings of a configuration.

    :raises ConfigError: the release can't be deployed.
    """
    versions = deploy.kolla_ansible
    return Settings(
        release=find(config.release, version=versions.version, ansible=versions.ansible),
        distro=config.build.distro.value,
        registry=config.registry.address,
        registry_insecure=config.registry.insecure or config.registry.embedded,
        namespace=config.build.namespace,
        tag=config.build.tag or config.release,
        config_dir=config_dir(config, deploy),
        state_dir=config.state_dir,
        guests=tuple(guest.name for guest in config.guests),
        deploy=deploy,
        signed_by=_signed_by(config, deploy),
    )


def _signed_by(config: Config, deploy: Deploy) -> PublicKey | None:
    """The key that must have signed the images; None if they needn't be signed.

    :raises ConfigError: it can't be used.
    """
    wanted = deploy.require_signature
    if wanted is False:
        return None
    from core.attestation.signing import read_key, read_public_key  # noqa: PLC0415 - for this alone

    if isinstance(wanted, Path):
        return read_public_key(wanted)
    if config.signing_key is None:
        raise ConfigError("deploy.require_signature needs signing_key")
    return read_key(config.signing_key).public


def resolved_hosts(settings: Settings) -> tuple[ResolvedHost, ...]:
    """Every host of the cloud, in the order of the configuration."""
    return tuple(
        ResolvedHost(
            name=name,
            key=key,
            architecture=host.architecture,
            groups=tuple(host.groups),
            local=host.connection == "local",
            derived=dict(_derived(settings, host)),
            own=dict(host.variables),
        )
        for key, host in settings.deploy.hosts.items()
        for name in expand_range(key)
    )


def expand_range(pattern: str) -> tuple[str, ...]:
    """The host names of an Ansible host range such as ``control[01:03]``.

    Source: https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html
    (adding ranges of hosts).
    """
    match = _RANGE.search(pattern)
    if not match:
        return (pattern,)
    first, last = match.groups()
    width = len(first) if first.startswith("0") else 0
    return tuple(
        pattern[: match.start()] + f"{number:0{width}d}" + pattern[match.end() :]
        for number in range(int(first), int(last) + 1)
    )


def _derived(settings: Settings, host: Host) -> Iterator[tuple[str, JsonValue]]:
    common, own = settings.deploy.ssh, host.ssh
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
        yield DISCOVERED, [host.python]
    common_interfaces = dict(settings.deploy.interfaces.variables())
    yield from (common_interfaces | dict(host.interfaces.variables())).items()
