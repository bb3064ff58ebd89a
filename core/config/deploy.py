"""The shape of the ``deploy`` section: a cloud's hosts and kolla-ansible's settings.

Variables reach kolla-ansible in three places of different precedence (globals.yml
beats everything, then host and group variables, then kolla's own defaults).
The keys here keep them apart; :mod:`deploy.placement` refuses a
variable in a place where kolla-ansible would not see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from core.config.base import Architecture, Section
from core.config.paths import GitAddress, LocalPath

HostName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:\[\]-]*$", max_length=253)
]
GroupName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Variables = dict[VariableName, JsonValue]


class Interfaces(Section):
    """Names of network interfaces; each becomes the variable ``NAME_interface`` of a host."""

    network: str | None = None
    """Default for all the others (``network_interface``)."""
    api: str | None = None
    """For the APIs and the internal address (``api_interface``)."""
    storage: str | None = None
    """For access to storage (``storage_interface``)."""
    tunnel: str | None = None
    """For tunnels between guests' hosts (``tunnel_interface``)."""
    migration: str | None = None
    """For live migration (``migration_interface``)."""
    dns: str | None = None
    """For Designate's DNS (``dns_interface``)."""
    neutron_external: str | None = None
    """For Neutron's external networks (``neutron_external_interface``)."""
    octavia_network: str | None = None
    """For Octavia's management network (``octavia_network_interface``)."""
    kolla_external_vip: str | None = None
    """For the external address (``kolla_external_vip_interface``)."""

    def variables(self) -> Iterator[tuple[str, str]]:
        """``(variable, interface)`` of those that are given."""
        for name in type(self).model_fields:
            value: str | None = getattr(self, name)
            if value is not None:
                yield f"{name}_interface", value


class Ssh(Section):
    """How hosts are reached; a host's own ``ssh`` stands above the common one."""

    user: str | None = None
    """The user to log in as; default: Ansible's."""
    private_key: str | None = None
    """The private key's file on this machine; ``~`` is the home of who deploys."""
    port: int | None = Field(default=None, gt=0, lt=65536)
    """The port of the SSH server; default: 22."""
    become: bool | None = None
    """Become root by sudo. Default: yes, except for the user root."""


class Host(Section):
    """One machine of the cloud, or several named by a range such as ``control[01:03]``."""

    architecture: Architecture = Field(strict=False)
    """The architecture of its processors."""
    groups: list[GroupName] = Field(min_length=1)
    """The inventory groups it belongs to, such as ``control`` or ``compute``."""
    address: str | None = None
    """Address to connect to; default: the name itself. Not for a range."""
    connection: Literal["ssh", "local"] = "ssh"
    """``local`` for the machine that kollarm runs on."""
    ssh: Ssh = Ssh()
    """Its own SSH settings, above the common ones."""
    python: str | None = None
    """The host's Python that runs Ansible's modules; default: Ansible looks for one."""
    interfaces: Interfaces = Interfaces()
    """Its own network interfaces, above the common ones."""
    variables: Variables = Field(default_factory=dict)
    """Any further variables of this host (``host_vars/HOST.yml``)."""


class Vips(Section):
    """The addresses at which the APIs answer."""

    internal: str
    """The address for the services themselves."""
    external: str | None = None
    """Default: the internal one."""
    internal_fqdn: str | None = None
    """A name that resolves to the internal address."""
    external_fqdn: str | None = None
    """A name that resolves to the external address."""
    external_interface: str | None = None
    """The same on every host; where it differs: ``interfaces.kolla_external_vip`` of the hosts."""


class KollaAnsible(Section):
    """Which packages are installed from PyPI; default: those tested with the release."""

    version: str | None = None
    """Version of the ``kolla-ansible`` package."""
    ansible: str | None = None
    """Version of the ``ansible`` package."""


class Collections(Section):
    """Where the collection openstack.kolla comes from; default: where the release says.

    ``kollarm deploy bootstrap-servers`` needs it.
    """

    mirror: GitAddress | None = None
    """URL of a git repository with the same branches as upstream's."""
    path: LocalPath | None = None
    """A folder with the collection's source, or a built tarball."""


class Proof(Section):
    """What ``kollarm deploy proof`` shows at the end: a guest's console on each architecture."""

    cloud: str | None = None
    """The new cloud's entry in clouds.yaml; default: where guests are published."""
    images: dict[Annotated[Architecture, Field(strict=False)], str] = Field(min_length=1)
    """For each architecture an image that the cloud has."""
    flavor: str | None = None
    """Default: the smallest that the image fits into."""
    network: str | None = None
    """Default: none, which a console doesn't need."""
    timeout: int = Field(default=900, gt=0)
    """Seconds for each."""


class Deploy(Section):
    """The cloud that ``kollarm deploy`` makes with kolla-ansible."""

    hosts: dict[HostName, Host] = Field(min_length=1)
    """The machines of the cloud, by name."""
    vips: Vips
    """The addresses of the APIs."""
    ssh: Ssh = Ssh()
    """How hosts are reached that have no settings of their own."""
    interfaces: Interfaces = Interfaces()
    """Interface names of every host that doesn't say otherwise."""
    globals: Variables = Field(default_factory=dict)
    """Variables for the whole cloud, above everything else (``globals.d/50-kollarm-user.yml``)."""
    group_variables: dict[GroupName, Variables] = Field(default_factory=dict)
    """Variables of a group's hosts (``group_vars/GROUP.yml``)."""
    group_children: dict[GroupName, list[GroupName]] = Field(default_factory=dict)
    """Groups whose children differ from the release's sample inventory."""
    config_dir: LocalPath | None = None
    """Kolla's configuration folder; default: ``deploy`` in the state folder."""
    custom_config: LocalPath | None = None
    """Folder of configuration files merged into the services' own (``node_custom_config``)."""
    install_type: Literal["source", "binary"] = "source"
    """``source`` or ``binary`` images, for releases that distinguish them."""
    kolla_ansible: KollaAnsible = KollaAnsible()
    """Versions of kolla-ansible and Ansible."""
    collections: Collections = Collections()
    """Where the collection openstack.kolla comes from."""
    require_signature: bool | LocalPath = False
    """Deploy only images whose index is signed, by the digest that was verified: true for the
    public key of ``signing_key``, or the path of one (PEM).
    """
    proof: Proof | None = None
    """Without it no console is proved."""
