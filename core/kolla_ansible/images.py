"""The images that a host pulls, determined from the release's own roles.

For each play of site.yml that includes a host, kolla-ansible pulls the images of the role's
services that are enabled and mapped to the host.  The same is done here with the release's own
files (:class:`core.kolla_ansible.release_files.ReleaseFiles`), so no list of images has to be
maintained and Ansible doesn't have to run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from core.config.model import Architecture
from core.kolla_ansible.release_files import Play, ReleaseFiles, SampleInventory
from core.kolla_ansible.templar import Templar, Undetermined, truth

#: The name of the example host in :func:`images_for`.
_EXAMPLE_HOST = "host"


@dataclass(frozen=True)
class ImageUse:
    """One image that a host pulls."""

    image: str
    """The reference that kolla-ansible pulls, with registry and tag."""
    name: str
    """The name alone (``nova-compute``)."""
    role: str
    """The role that pulls it."""


def images_for(
    release: ReleaseFiles,
    host_groups: Collection[str],
    enabled_services: Mapping[str, object],
    architecture: Architecture,
) -> tuple[str, ...]:
    """The names of the images that a host of the given groups pulls, sorted.

    :param release: the release's own files (``toolchain.release_tree("2026.1")``).
    :param host_groups: groups of the sample inventory, such as ``["control", "network"]``.
    :param enabled_services: variables above kolla's defaults, such as
        ``{"enable_horizon": False, "neutron_plugin_agent": "ovn"}``.
    :param architecture: the host's.
    :raises Undetermined: an expression needs something that only a running Ansible knows.
    """
    # Groups without this host get another one: expressions test whether a group is empty.
    groups = expand(
        release.sample,
        dict.fromkeys(release.sample.hosts, ("other",))
        | dict.fromkeys(host_groups, (_EXAMPLE_HOST,)),
    )
    uses = host_images(release, groups, _EXAMPLE_HOST, enabled_services, architecture)
    return tuple(sorted({use.name for use in uses}))


def expand(
    sample: SampleInventory, hosts: Mapping[str, Iterable[str]]
) -> dict[str, tuple[str, ...]]:
    """Every group's hosts, those of child groups included.

    :param hosts: the hosts listed in each group itself.
    """
    direct = {name: list(members) for name, members in hosts.items()}

    def members(group: str, seen: frozenset[str]) -> Iterator[str]:
        yield from direct.get(group, ())
        for child in sample.children.get(group, ()):
            if child not in seen:
                yield from members(child, seen | {child})

    names = dict.fromkeys([*sample.groups, *direct])
    groups = {name: tuple(dict.fromkeys(members(name, frozenset({name})))) for name in names}
    groups["all"] = tuple(dict.fromkeys(host for members in groups.values() for host in members))
    return groups


def host_images(
    release: ReleaseFiles,
    groups: Mapping[str, tuple[str, ...]],
    host: str,
    variables: Mapping[str, object],
    architecture: Architecture,
    *,
    tags: Collection[str] = (),
    skip_tags: Collection[str] = (),
) -> tuple[ImageUse, ...]:
    """The images one host pulls, in the order kolla-ansible pulls them.

    :param groups: every group's hosts (:func:`expand`).
    :param variables: the host's variables above kolla's own defaults.
    :param tags: only what plays and roles with these tags pull.
    :raises Undetermined: as :func:`images_for`.
    """
    base: dict[str, object] = {
        **release.defaults,
        "kolla_action": "pull",
        "inventory_hostname": host,
        "groups": groups,
        "group_names": [name for name, hosts in groups.items() if host in hosts and name != "all"],
        "ansible_facts": {"architecture": architecture.value},
        "ansible_architecture": architecture.value,
        **variables,
    }
    # the groups that site.yml itself adds this host to (group_by)
    dynamic = {str(Templar(base).value(template)) for template in release.grouped_by}
    uses: dict[str, ImageUse] = {}
    for play in release.plays:
        if not _selected(play, tags, skip_tags) or not _includes(play, groups, dynamic, host):
            continue
        for role in (*release.role_dependencies(play.role), play.role):
            templar = Templar(
                {
                    **release.role_defaults(role),
                    **base,
                    **play.variables,
                    **release.role_variables(role),
                    **variables,
                }
            )
            if not templar.condition(play.when):
                break
            for image in _role_images(release, role, templar):
                uses.setdefault(image, ImageUse(image, short_name(image, templar), role))
    return tuple(uses.values())


def short_name(image: str, templar: Templar) -> str:
    """An image's name without registry, namespace, prefix and tag.

    In releases up to Xena the prefix includes ``DISTRO-TYPE-``.
    """
    name = image.rsplit("/", 1)[-1].rsplit(":", 1)[0]
    if "kolla_install_type" in templar.variables:
        distro = templar.value(templar.variables.get("kolla_base_distro", ""))
        install_type = templar.value(templar.variables["kolla_install_type"])
        name = name.removeprefix(f"{distro}-{install_type}-")
    prefix = templar.value(templar.variables.get("docker_image_name_prefix", ""))
    return name.removeprefix(str(prefix))


def _selected(play: Play, tags: Collection[str], skip_tags: Collection[str]) -> bool:
    if play.tags & frozenset(skip_tags):
        return False
    return not tags or bool(play.tags & {*tags, "always"})


def _includes(
    play: Play, groups: Mapping[str, tuple[str, ...]], dynamic: Collection[str], host: str
) -> bool:
    """Whether a play's host patterns match a host (``&`` intersects, ``!`` excludes).

    Source: https://docs.ansible.com/ansible/latest/inventory_guide/intro_patterns.html
    """

    def matches(pattern: str) -> bool:
        return (
            pattern in ("all", "*", host)
            or pattern in dynamic
            or any(fnmatchcase(name, pattern) and host in hosts for name, hosts in groups.items())
        )

    included = [part for part in play.hosts if part[0] not in "&!"]
    return (
        any(map(matches, included))
        and all(matches(part[1:]) for part in play.hosts if part[0] == "&")
        and not any(matches(part[1:]) for part in play.hosts if part[0] == "!")
    )


def _role_images(release: ReleaseFiles, role: str, templar: Templar) -> Iterator[str]:
    for task in release.pull_tasks(role):
        imported = task.get("import_role") or task.get("ansible.builtin.import_role")
        if imported:
            yield from _services(templar)
            continue
        module = task.get("kolla_container") or task.get("kolla_docker")
        if not module or module.get("action") != "pull_image":
            continue
        scope = {**templar.variables, **(task.get("vars") or {})}
        for item in _items(task, templar):
            item_templar = Templar(scope | ({"item": item} if item is not None else {}))
            if item_templar.condition(task.get("when", True)):
                yield str(item_templar.value(module["image"]))


def _items(task: Mapping[str, Any], templar: Templar) -> Iterator[Any]:
    """The items of a task's loop (pull.yml has ``with_dict`` only), or None once without a loop."""
    if "with_dict" not in task:
        yield None
        return
    expression = str(task["with_dict"])
    name = expression.strip("{} ").split("|")[0].strip()
    for key, service in dict(_raw_services(templar, name)).items():
        if "select_services" not in expression or _runs_on_host(templar, service):
            yield {"key": key, "value": service}


def _services(templar: Templar) -> Iterator[str]:
    """The images of a role that uses the role service-images-pull."""
    prefix = templar.variables.get("kolla_role_name") or templar.variables["project_name"]
    for service in _raw_services(templar, f"{templar.value(prefix)}_services").values():
        if _runs_on_host(templar, service):
            yield str(templar.value(service["image"]))


def _raw_services(templar: Templar, name: str) -> Mapping[str, Mapping[str, Any]]:
    services = templar.variables.get(name)
    if isinstance(services, str):
        services = templar.value(services)
    if not isinstance(services, Mapping):
        raise Undetermined(f"{name} is not a mapping of services")
    return services


def _runs_on_host(templar: Templar, service: Mapping[str, Any]) -> bool:
    """Whether a service is enabled and mapped to the host, as in kolla_ansible/filters.py."""
    if not truth(templar.value(service["enabled"])):
        return False
    if "host_in_groups" in service:
        return truth(templar.value(service["host_in_groups"]))
    group = str(templar.value(service["group"]))
    groups = templar.variables["groups"]
    assert isinstance(groups, Mapping)
    # A group that isn't in the inventory (mariadb_shard_0) is made by the play itself of its
    # own hosts, which include this one.
    members = groups.get(group)
    return members is None or templar.variables["inventory_hostname"] in members
