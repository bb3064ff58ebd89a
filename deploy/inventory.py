"""The inventory directory: hosts in the release's own groups, host_vars, group_vars.

It is a directory because kolla-ansible ignores variables in an INI file's ``[group:vars]``
if it defines the variable itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import yaml
from pydantic import JsonValue

from core.config.model import Architecture
from core.kolla_ansible.images import expand
from core.kolla_ansible.release_files import ReleaseFiles, SampleInventory
from deploy.settings import DISCOVERED, ResolvedHost, Settings

#: The first line of every file that kollarm writes, by which it recognizes them.
HEADER = "# Written by kollarm deploy from its configuration file; changes here are lost."


def sample_inventory(settings: Settings, tree: ReleaseFiles) -> SampleInventory:
    """The release's sample groups with the configuration's ``group_children`` put in."""
    changed = {name: tuple(names) for name, names in settings.deploy.group_children.items()}
    return SampleInventory(tree.sample.hosts, {**tree.sample.children, **changed})


def group_for(sample: SampleInventory, group: str) -> str:
    """The group of the sample inventory that hosts of *group* are listed in.

    In Rocky ``compute`` consists of two child groups only; compute hosts go to that of hosts with
    access to the external network.
    """
    if group not in sample.hosts and f"external-{group}" in sample.hosts:
        return f"external-{group}"
    return group


def direct_hosts(
    sample: SampleInventory, hosts: Iterable[ResolvedHost]
) -> dict[str, tuple[str, ...]]:
    """The hosts listed in each group itself; empty groups are kept."""
    direct: dict[str, list[str]] = {name: [] for name in sample.hosts}
    direct["deployment"] = ["localhost"]
    for host in hosts:
        for group in host.groups:
            direct.setdefault(group_for(sample, group), []).append(host.name)
    return {name: tuple(dict.fromkeys(members)) for name, members in direct.items()}


def hosts_by_group(
    settings: Settings, tree: ReleaseFiles, hosts: Sequence[ResolvedHost]
) -> dict[str, tuple[str, ...]]:
    """Every group's hosts, those of child groups included."""
    sample = sample_inventory(settings, tree)
    return expand(sample, direct_hosts(sample, hosts))


def compute_hosts(
    settings: Settings, tree: ReleaseFiles, hosts: Sequence[ResolvedHost]
) -> list[ResolvedHost]:
    """The hosts that run guests."""
    members = hosts_by_group(settings, tree, hosts).get("compute", ())
    return [host for host in hosts if host.name in members]


def hosts_file(sample: SampleInventory, hosts: Sequence[ResolvedHost]) -> str:
    """The inventory's INI file: groups and hosts only, never a variable."""
    direct = direct_hosts(sample, hosts)
    lines = [HEADER, "# Variables: host_vars/HOST.yml and group_vars/GROUP.yml beside this file."]
    for group in dict.fromkeys([*sample.groups, *direct]):
        if group in direct:
            lines += ["", f"[{group}]", *direct[group]]
        if group in sample.children:
            lines += ["", f"[{group}:children]", *sample.children[group]]
    return "\n".join(lines) + "\n"


def architecture_variables(
    settings: Settings, tree: ReleaseFiles, architecture: Architecture
) -> dict[str, JsonValue]:
    """The variables that this release needs for a host of the given architecture."""
    if architecture is not Architecture.AARCH64:
        return {}
    variables: dict[str, JsonValue] = {}
    if not settings.release.fluentd_on_arm:
        variables["enable_fluentd"] = False
    if "aarch64" not in cpu_mode_default(tree):
        # The default is a CPU model, of which libvirt knows none on ARM.
        variables["nova_libvirt_cpu_mode"] = "host-passthrough"
    return variables


def cpu_mode_default(tree: ReleaseFiles) -> str:
    """The release's default of nova_libvirt_cpu_mode, an unevaluated template."""
    for role in ("nova-cell", "nova"):
        default = tree.role_defaults(role).get("nova_libvirt_cpu_mode")
        if default is not None:
            return str(default)
    return ""


def host_variables(
    settings: Settings, tree: ReleaseFiles, host: ResolvedHost
) -> dict[str, JsonValue]:
    """The variables of ``host_vars/HOST.yml``, without interfaces that the release doesn't use."""
    return {
        **architecture_variables(settings, tree, host.architecture),
        **{
            name: value
            for name, value in host.derived.items()
            if not name.endswith("_interface") or tree.reads(name)
        },
        **host.own,
    }


def unread_interfaces(tree: ReleaseFiles, hosts: Iterable[ResolvedHost]) -> tuple[str, ...]:
    """Interface variables of the configuration that the release doesn't use."""
    return tuple(
        dict.fromkeys(
            name
            for host in hosts
            for name in host.derived
            if name.endswith("_interface") and not tree.reads(name)
        )
    )


def inventory_files(
    settings: Settings, tree: ReleaseFiles, hosts: Sequence[ResolvedHost]
) -> dict[str, str]:
    """The inventory's files, by their path in its directory."""
    files = {"hosts": hosts_file(sample_inventory(settings, tree), hosts)}
    for host in hosts:
        files[f"host_vars/{host.name}.yml"] = yaml_document(host_variables(settings, tree, host))
    if "localhost" not in {host.name for host in hosts}:
        files["host_vars/localhost.yml"] = yaml_document(
            {
                "ansible_connection": "local",
                "ansible_python_interpreter": "{{ ansible_playbook_python }}",
                # kolla-ansible's own environment is the first in PATH
                DISCOVERED: ["python3"],
            }
        )
    for group, variables in settings.deploy.group_variables.items():
        files[f"group_vars/{group}.yml"] = yaml_document(dict(variables))
    return files


def yaml_document(data: Mapping[str, JsonValue], comment: str = "") -> str:
    """The text of a YAML file with kollarm's header."""
    body = yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True, width=10_000)
    return f"{HEADER}\n{comment}---\n{body}"
