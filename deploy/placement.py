"""Variables in places where kolla-ansible would not see them, and the right places.

Ansible takes, of one variable, the value of the strongest place that has it:
globals.yml, globals.d and passwords.yml (extra variables) beat host_vars, those
beat group_vars of the inventory, and kolla-ansible's own ``group_vars/all``
beats the inventory's ``group_vars/all``.  The weaker value is dropped without a
word, so it is refused here.

Source: https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_variables.html
(understanding variable precedence).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from core.config.model import Architecture
from core.errors import Fault
from core.kolla_ansible.release_files import ReleaseFiles
from deploy.globals import SOURCES, derived_globals
from deploy.inventory import architecture_variables, sample_of
from deploy.settings import ResolvedHost, Settings, names

_CONNECTION = ("ansible_host", "ansible_user", "ansible_ssh_user", "ansible_port",
               "ansible_connection", "ansible_python_interpreter",
               "ansible_ssh_private_key_file", "ansible_private_key_file")  # fmt: skip


def misplaced(
    given: Settings,
    tree: ReleaseFiles,
    machines: Sequence[ResolvedHost],
    dropped_in: Mapping[str, Mapping[str, JsonValue]],
) -> list[Fault]:
    """Everything that kolla-ansible would ignore or that can't be right, all at once.

    :param dropped_in: the user's own files of globals.d: name -> variables.
    """
    faults = [
        *_groups(given, tree),
        *_twice(given),
        *_globals(given, tree, machines, given.deploy.globals, "deploy.globals"),
        *_groupwide(given, tree),
        *_hosts(given, tree, machines),
        *_loopback(given, machines),
    ]
    for file, variables in dropped_in.items():
        faults += _globals(given, tree, machines, variables, file)
    return list(dict.fromkeys(faults))


def unknown_variables(given: Settings, tree: ReleaseFiles) -> list[str]:
    """Warnings about names the release never mentions (misspelt, or the user's own)."""
    known = sorted({*tree.defaults, *tree.secrets})
    found = []
    for name in given.deploy.globals:
        if not tree.reads(name):
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            found.append(
                f"deploy.globals.{name}: kolla-ansible {given.release.version} "
                f"has no such variable{hint}"
            )
    return found


def _groups(given: Settings, tree: ReleaseFiles) -> Iterator[Fault]:
    sample = sample_of(given, tree)
    known = sample.groups
    deploy = given.deploy
    named = [
        *(
            (f"hosts.{key}.groups", name)
            for key, host in deploy.hosts.items()
            for name in host.groups
        ),
        *(("group_variables", name) for name in deploy.group_variables if name != "all"),
        *(
            (f"group_children.{key}", n)
            for key, found in deploy.group_children.items()
            for n in found
        ),
    ]
    for place, group in named:
        if group not in known:
            close = difflib.get_close_matches(group, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known[:6])}, …"
            yield Fault(
                f"deploy.{place}", f"release {given.release.name} has no group {group!r}", hint
            )


def _twice(given: Settings) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for key, host in given.deploy.hosts.items():
        expanded = names(key)
        if not expanded:
            yield Fault(f"deploy.hosts.{key}", "the range is empty")
        if host.address and len(expanded) > 1:
            yield Fault(
                f"deploy.hosts.{key}.address",
                "one address can't be that of several hosts",
                "write the hosts one by one, or let the names resolve",
            )
        for name in expanded:
            if name in seen:
                yield Fault(f"deploy.hosts.{key}", f"{name} is also in {seen[name]}")
            seen[name] = key


def _globals(
    given: Settings,
    tree: ReleaseFiles,
    machines: Sequence[ResolvedHost],
    variables: Mapping[str, JsonValue],
    place: str,
) -> Iterator[Fault]:
    derived = derived_globals(given, tree)
    for name in variables:
        where = f"{place}.{name}"
        if name == "openstack_tag_suffix":
            yield Fault(
                where,
                "one tag serves both architectures: its index holds an image for each",
                "leave it out; build.tag names the tag",
            )
        elif name in SOURCES:
            # Also where kollarm derives no value: the right key is the same.
            yield Fault(where, "kollarm writes this variable itself", f"set {SOURCES[name]}")
        elif name in derived:
            yield Fault(
                where, "kollarm writes this variable itself for this release", "leave it out"
            )
        elif name in tree.secrets:
            yield Fault(
                where,
                "is a password, and passwords.yml has a value for it too",
                f"set it in {given.config_dir / 'passwords.yml'}, which is never overwritten",
            )
        elif name in _CONNECTION:
            yield Fault(
                where,
                "would hold for every host, the deploying one included",
                "set it under deploy.ssh or a host's own ssh, address or python",
            )
        else:
            yield from _against_hosts(given, tree, machines, name, where)


def _against_hosts(
    given: Settings, tree: ReleaseFiles, machines: Sequence[ResolvedHost], name: str, where: str
) -> Iterator[Fault]:
    holders = [machine.key for machine in machines if name in machine.variables]
    if holders:
        yield Fault(
            where,
            f"beats the value of {', '.join(dict.fromkeys(holders))}, which would be ignored",
            "set it on hosts only (deploy.interfaces for a value common to all)"
            if name.endswith("_interface")
            else "set it either for the cloud or on hosts",
        )
    elif any(
        name in architecture_variables(given, tree, architecture)
        for architecture in {machine.architecture for machine in machines}
    ):
        arm = [m.name for m in machines if m.architecture is Architecture.AARCH64]
        yield Fault(
            where,
            f"would also hold for {', '.join(arm)}, where release {given.release.name} "
            "needs another value",
            "set it with deploy.group_variables or on the x86_64 hosts",
        )


def _groupwide(given: Settings, tree: ReleaseFiles) -> Iterator[Fault]:
    derived = derived_globals(given, tree)
    for group, variables in given.deploy.group_variables.items():
        for name in variables:
            where = f"deploy.group_variables.{group}.{name}"
            if name in given.deploy.globals:
                yield Fault(where, "deploy.globals beats it", f"remove deploy.globals.{name}")
            elif name in derived:
                yield Fault(where, "globals.yml beats it", _instead(name))
            elif name in tree.secrets:
                yield Fault(where, "passwords.yml beats it", "set it there")
            elif group == "all" and name in tree.defaults:
                yield Fault(
                    where,
                    "kolla-ansible's own group_vars/all beats the inventory's",
                    f"set deploy.globals.{name}",
                )


def _hosts(
    given: Settings, tree: ReleaseFiles, machines: Sequence[ResolvedHost]
) -> Iterator[Fault]:
    derived = derived_globals(given, tree)
    for machine in machines:
        for name in machine.own:
            where = f"deploy.hosts.{machine.key}.variables.{name}"
            if name in machine.derived:
                yield Fault(where, "is also given by another key of this host", "leave one out")
            elif name in derived or name == "openstack_tag_suffix":
                yield Fault(where, "globals.yml beats it", _instead(name))
            elif name in tree.secrets:
                yield Fault(where, "passwords.yml beats it", "set it there")
        for name in machine.derived:
            if name in derived:
                yield Fault(
                    f"deploy.hosts.{machine.key}.interfaces",
                    f"{SOURCES.get(name, name)} beats {name}",
                    f"remove {SOURCES.get(name, name)} or the host's own",
                )


def _instead(name: str) -> str:
    if name in ("docker_registry", "openstack_tag", "openstack_tag_suffix"):
        return "one registry and one tag serve both architectures: leave it out"
    return f"set {SOURCES[name]}" if name in SOURCES else "leave it out"


def _loopback(given: Settings, machines: Sequence[ResolvedHost]) -> Iterator[Fault]:
    host = given.registry.rsplit(":", 1)[0].strip("[]")
    far = [machine.name for machine in machines if not machine.local]
    if far and (host in ("localhost", "::1") or host.startswith("127.")):
        yield Fault(
            "registry.address",
            f"{given.registry} is this machine's loopback; {', '.join(far)} can't pull from it",
            "give the address at which the hosts reach the registry",
        )
