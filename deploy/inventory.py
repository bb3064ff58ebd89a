"""The inventory directory: hosts in the release's own groups, host_vars, group_vars.

An inventory *directory*, because kolla-ansible ignores variables in an INI
file's ``[group:vars]`` wherever it defines the variable itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import yaml
from pydantic import JsonValue

from core.config.model import Architecture
from core.kolla_ansible.images import expand
from core.kolla_ansible.release_files import ReleaseFiles, Sample
from deploy.settings import ResolvedHost, Settings

#: First line of every file that kollarm writes, and by which it knows its own.
HEADER = "# Written by kollarm deploy from its configuration file; changes here are lost."


def sample_of(given: Settings, tree: ReleaseFiles) -> Sample:
    """The release's sample groups with the configuration's ``group_children`` put in."""
    changed = {name: tuple(found) for name, found in given.deploy.group_children.items()}
    return Sample(tree.sample.hosts, {**tree.sample.children, **changed})


def place(sample: Sample, group: str) -> str:
    """The group of the sample that takes hosts for *group*.

    Rocky's ``compute`` has only child groups; those of compute nodes that reach
    the outside is where the seed of this project put its own.
    """
    if group not in sample.hosts and f"external-{group}" in sample.hosts:
        return f"external-{group}"
    return group


def direct_hosts(sample: Sample, machines: Iterable[ResolvedHost]) -> dict[str, tuple[str, ...]]:
    """The hosts given directly to each group; groups without any are kept, empty."""
    direct: dict[str, list[str]] = {name: [] for name in sample.hosts}
    direct["deployment"] = ["localhost"]
    for machine in machines:
        for group in machine.groups:
            direct.setdefault(place(sample, group), []).append(machine.name)
    return {name: tuple(dict.fromkeys(found)) for name, found in direct.items()}


def groups_of(
    given: Settings, tree: ReleaseFiles, machines: Sequence[ResolvedHost]
) -> dict[str, tuple[str, ...]]:
    """Every group's hosts, children's included."""
    sample = sample_of(given, tree)
    return expand(sample, direct_hosts(sample, machines))


def hosts_file(sample: Sample, machines: Sequence[ResolvedHost]) -> str:
    """The inventory's INI file: groups and hosts only, never a variable."""
    direct = direct_hosts(sample, machines)
    lines = [HEADER, "# Variables: host_vars/HOST.yml and group_vars/GROUP.yml beside this file."]
    for group in dict.fromkeys([*sample.groups, *direct]):
        if group in direct:
            lines += ["", f"[{group}]", *direct[group]]
        if group in sample.children:
            lines += ["", f"[{group}:children]", *sample.children[group]]
    return "\n".join(lines) + "\n"


def architecture_variables(
    given: Settings, tree: ReleaseFiles, architecture: Architecture
) -> dict[str, JsonValue]:
    """What a host needs told only because of its architecture, in this release."""
    if architecture is not Architecture.AARCH64:
        return {}
    needed: dict[str, JsonValue] = {}
    if not given.release.fluentd_on_arm:
        needed["enable_fluentd"] = False
    if "aarch64" not in cpu_mode_default(tree):
        # Without it libvirt asks for a CPU model, of which there are none on ARM.
        needed["nova_libvirt_cpu_mode"] = "host-passthrough"
    return needed


def cpu_mode_default(tree: ReleaseFiles) -> str:
    """The release's own default of nova_libvirt_cpu_mode, as it is written."""
    for role in ("nova-cell", "nova"):
        found = tree.role_defaults(role).get("nova_libvirt_cpu_mode")
        if found is not None:
            return str(found)
    return ""


def host_variables(
    given: Settings, tree: ReleaseFiles, machine: ResolvedHost
) -> dict[str, JsonValue]:
    """The variables of ``host_vars/HOST.yml``, without interfaces the release never reads."""
    return {
        **architecture_variables(given, tree, machine.architecture),
        **{
            name: value
            for name, value in machine.derived.items()
            if not name.endswith("_interface") or tree.reads(name)
        },
        **machine.own,
    }


def unread_interfaces(tree: ReleaseFiles, machines: Iterable[ResolvedHost]) -> tuple[str, ...]:
    """Interface variables of the configuration that the release never reads."""
    return tuple(
        dict.fromkeys(
            name
            for machine in machines
            for name in machine.derived
            if name.endswith("_interface") and not tree.reads(name)
        )
    )


def inventory_files(
    given: Settings, tree: ReleaseFiles, machines: Sequence[ResolvedHost]
) -> dict[str, str]:
    """The inventory's files by their path within it."""
    files = {"hosts": hosts_file(sample_of(given, tree), machines)}
    for machine in machines:
        files[f"host_vars/{machine.name}.yml"] = document(host_variables(given, tree, machine))
    if "localhost" not in {machine.name for machine in machines}:
        files["host_vars/localhost.yml"] = document(
            {
                "ansible_connection": "local",
                "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            }
        )
    for group, variables in given.deploy.group_variables.items():
        files[f"group_vars/{group}.yml"] = document(dict(variables))
    return files


def document(data: Mapping[str, JsonValue], comment: str = "") -> str:
    """A mapping as a YAML file of ours."""
    body = yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True, width=10_000)
    return f"{HEADER}\n{comment}---\n{body}"
