"""Variables in places where kolla-ansible would ignore them, and the right places.

If a variable is set in several places, Ansible uses the value with the highest precedence:
globals.yml, globals.d and passwords.yml (extra variables) override host_vars, those override
the inventory's group_vars, and kolla-ansible's own ``group_vars/all`` overrides the
inventory's ``group_vars/all``.  The other values are silently ignored, so they are refused here.

Source: https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_variables.html
(understanding variable precedence).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from core.config.model import Architecture
from core.errors import Fault
from core.kolla_ansible.release_files import ReleaseFiles
from core.oci.reference import host_of
from core.suggest import did_you_mean
from deploy.globals import SOURCES, derived_globals
from deploy.inventory import architecture_variables, sample_inventory
from deploy.settings import ResolvedHost, Settings, expand_range

_CONNECTION = ("ansible_host", "ansible_user", "ansible_ssh_user", "ansible_port",
               "ansible_connection", "ansible_python_interpreter",
               "ansible_ssh_private_key_file", "ansible_private_key_file")  # fmt: skip


def misplaced_variables(
    settings: Settings,
    tree: ReleaseFiles,
    hosts: Sequence[ResolvedHost],
    globals_d: Mapping[str, Mapping[str, JsonValue]],
) -> list[Fault]:
    """All variables that kolla-ansible would ignore, and values that can't be right.

    :param globals_d: the variables of the user's own files in globals.d, by path.
    """
    faults = [
        *_unknown_groups(settings, tree),
        *_duplicate_hosts(settings),
        *_globals(settings, tree, hosts, settings.deploy.globals, "deploy.globals"),
        *_group_variables(settings, tree),
        *_host_variables(settings, tree, hosts),
        *_loopback(settings, hosts),
    ]
    for file, variables in globals_d.items():
        faults += _globals(settings, tree, hosts, variables, file)
    return list(dict.fromkeys(faults))


def unknown_variables(settings: Settings, tree: ReleaseFiles) -> list[str]:
    """Notes about variables that the release doesn't use (misspelt, or the user's own)."""
    known = {*tree.defaults, *tree.secrets}
    notes = []
    for name in settings.deploy.globals:
        if not tree.reads(name):
            hint = did_you_mean(name, known)
            notes.append(
                f"deploy.globals.{name}: kolla-ansible {settings.release.version} "
                "has no such variable" + (f"; {hint}" if hint else "")
            )
    return notes


def _unknown_groups(settings: Settings, tree: ReleaseFiles) -> Iterator[Fault]:
    sample = sample_inventory(settings, tree)
    known = sample.groups
    deploy = settings.deploy
    references = [
        *(
            (f"hosts.{key}.groups", name)
            for key, host in deploy.hosts.items()
            for name in host.groups
        ),
        *(("group_variables", name) for name in deploy.group_variables if name != "all"),
        *(
            (f"group_children.{key}", name)
            for key, children in deploy.group_children.items()
            for name in children
        ),
    ]
    for place, group in references:
        if group not in known:
            hint = did_you_mean(group, known) or f"groups: {', '.join(known[:6])}, …"
            yield Fault(
                f"deploy.{place}", f"release {settings.release.name} has no group {group!r}", hint
            )


def _duplicate_hosts(settings: Settings) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for key, host in settings.deploy.hosts.items():
        expanded = expand_range(key)
        if not expanded:
            yield Fault(f"deploy.hosts.{key}", "the range is empty")
        if host.address and len(expanded) > 1:
            yield Fault(
                f"deploy.hosts.{key}.address",
                "a range of hosts can't have a single address",
                "list the hosts one by one, or leave address out so that their names are resolved",
            )
        for name in expanded:
            if name in seen:
                yield Fault(f"deploy.hosts.{key}", f"{name} is also part of {seen[name]}")
            seen[name] = key


def _globals(
    settings: Settings,
    tree: ReleaseFiles,
    hosts: Sequence[ResolvedHost],
    variables: Mapping[str, JsonValue],
    place: str,
) -> Iterator[Fault]:
    derived = derived_globals(settings, tree)
    for name in variables:
        where = f"{place}.{name}"
        if name == "openstack_tag_suffix":
            yield Fault(
                where,
                "the one tag has images for both architectures",
                "leave it out; build.tag sets the tag",
            )
        elif name in SOURCES:
            # Even where kollarm derives no value, this is the right key.
            yield Fault(where, "kollarm sets this variable itself", f"set {SOURCES[name]}")
        elif name in derived:
            yield Fault(where, "kollarm sets this variable itself in this release", "leave it out")
        elif name in tree.secrets:
            yield Fault(
                where,
                "is a password, and would override the value in passwords.yml",
                f"set it in {settings.config_dir / 'passwords.yml'}, whose values are kept",
            )
        elif name in _CONNECTION:
            yield Fault(
                where,
                "would apply to every host, including localhost",
                "set it under deploy.ssh or a host's own ssh, address or python",
            )
        else:
            yield from _overriding_hosts(settings, tree, hosts, name, where)


def _overriding_hosts(
    settings: Settings, tree: ReleaseFiles, hosts: Sequence[ResolvedHost], name: str, where: str
) -> Iterator[Fault]:
    overridden = [host.key for host in hosts if name in host.variables]
    if overridden:
        yield Fault(
            where,
            f"overrides that of {', '.join(dict.fromkeys(overridden))}, which would be ignored",
            "set it on hosts only (deploy.interfaces is for all hosts)"
            if name.endswith("_interface")
            else "set it either in deploy.globals or on hosts",
        )
    elif any(
        name in architecture_variables(settings, tree, architecture)
        for architecture in {host.architecture for host in hosts}
    ):
        arm = [m.name for m in hosts if m.architecture is Architecture.AARCH64]
        yield Fault(
            where,
            f"would also apply to {', '.join(arm)}, which in release {settings.release.name} "
            "need another value",
            "set it in deploy.group_variables or on the x86_64 hosts",
        )


def _group_variables(settings: Settings, tree: ReleaseFiles) -> Iterator[Fault]:
    derived = derived_globals(settings, tree)
    for group, variables in settings.deploy.group_variables.items():
        for name in variables:
            where = f"deploy.group_variables.{group}.{name}"
            if name in settings.deploy.globals:
                yield Fault(where, "deploy.globals overrides it", f"remove deploy.globals.{name}")
            elif name in derived:
                yield Fault(where, "globals.yml overrides it", _remedy(name))
            elif name in tree.secrets:
                yield Fault(where, "passwords.yml overrides it", "set it there")
            elif group == "all" and name in tree.defaults:
                yield Fault(
                    where,
                    "kolla-ansible's own group_vars/all overrides the inventory's",
                    f"set deploy.globals.{name}",
                )


def _host_variables(
    settings: Settings, tree: ReleaseFiles, hosts: Sequence[ResolvedHost]
) -> Iterator[Fault]:
    derived = derived_globals(settings, tree)
    for host in hosts:
        for name in host.own:
            where = f"deploy.hosts.{host.key}.variables.{name}"
            if name in host.derived:
                yield Fault(where, "is also set by another key of this host", "leave one out")
            elif name in derived or name == "openstack_tag_suffix":
                yield Fault(where, "globals.yml overrides it", _remedy(name))
            elif name in tree.secrets:
                yield Fault(where, "passwords.yml overrides it", "set it there")
        for name in host.derived:
            if name in derived:
                yield Fault(
                    f"deploy.hosts.{host.key}.interfaces",
                    f"{SOURCES.get(name, name)} overrides {name}",
                    f"remove {SOURCES.get(name, name)} or the host's value",
                )


def _remedy(name: str) -> str:
    if name in ("docker_registry", "openstack_tag", "openstack_tag_suffix"):
        return "leave it out: one registry and one tag have images for both architectures"
    return f"set {SOURCES[name]}" if name in SOURCES else "leave it out"


def _loopback(settings: Settings, hosts: Sequence[ResolvedHost]) -> Iterator[Fault]:
    registry = host_of(settings.registry)
    remote = [host.name for host in hosts if not host.local]
    if remote and (registry in ("localhost", "::1") or registry.startswith("127.")):
        yield Fault(
            "registry.address",
            f"{settings.registry} is a loopback address; {', '.join(remote)} can't pull from it",
            "set the address at which the hosts reach the registry",
        )
