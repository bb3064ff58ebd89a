"""The images of a whole cloud: each once per architecture, with the hosts that pull it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from pydantic import JsonValue

from core.config.model import Architecture
from core.kolla_ansible.images import host_images
from core.kolla_ansible.release_files import ReleaseFiles
from core.kolla_ansible.templar import Undetermined
from deploy.globals import effective_globals
from deploy.inventory import groups_of, host_variables
from deploy.preflight import RequiredImage
from deploy.settings import ResolvedHost, Settings
from deploy.stages import AnsibleOptions


def needed_images(
    given: Settings,
    tree: ReleaseFiles,
    machines: Sequence[ResolvedHost],
    options: AnsibleOptions,
    dropped_in: Mapping[str, Mapping[str, JsonValue]],
) -> tuple[tuple[RequiredImage, ...], tuple[str, ...]]:
    """What the chosen hosts will pull, and notes about hosts for which it can't be told.

    :param dropped_in: the user's own files of globals.d, in the order they are loaded.
    """
    groups = groups_of(given, tree, machines)
    above = effective_globals(given, tree)
    for file in dropped_in.values():
        above |= dict(file)
    hosts: dict[tuple[str, str, Architecture], list[str]] = {}
    notes: list[str] = []
    for machine in machines:
        if not chosen(options.limit, machine.name, groups):
            continue
        # A group's variables are weaker than a host's own, "all" is the weakest.
        variables: dict[str, object] = {**given.deploy.group_variables.get("all", {})}
        for group, found in given.deploy.group_variables.items():
            if group != "all" and machine.name in groups.get(group, ()):
                variables.update(found)
        variables.update(host_variables(given, tree, machine))
        variables.update(above)
        try:
            uses = host_images(
                tree,
                groups,
                machine.name,
                variables,
                machine.architecture,
                tags=options.tags,
                skip_tags=options.skip_tags,
            )
        except Undetermined as error:
            notes.append(f"the images of {machine.name} can't be told beforehand: {error}")
            continue
        for use in uses:
            hosts.setdefault((use.image, use.name, machine.architecture), []).append(machine.name)
    needed = tuple(RequiredImage(*key, tuple(found)) for key, found in sorted(hosts.items()))
    return needed, tuple(notes)


def chosen(limit: str | None, host: str, groups: Mapping[str, Sequence[str]]) -> bool:
    """Whether a host is within Ansible's ``--limit``: names, groups, wildcards, ``!`` and ``&``.

    A pattern of another kind (an index, a regular expression, a file) leaves
    every host in: the preflight then asks for more than will be pulled, not less.
    Source: https://docs.ansible.com/ansible/latest/inventory_guide/intro_patterns.html
    """
    if not limit:
        return True
    parts = [part for part in limit.replace(":", ",").split(",") if part]
    if any(part.lstrip("!&")[:1] in ("~", "@") or "[" in part for part in parts):
        return True

    def inside(pattern: str) -> bool:
        return (
            pattern == "all"
            or fnmatchcase(host, pattern)
            or any(fnmatchcase(name, pattern) and host in found for name, found in groups.items())
        )

    wanted = [part for part in parts if part[0] not in "!&"] or ["all"]
    return (
        any(map(inside, wanted))
        and all(inside(part[1:]) for part in parts if part[0] == "&")
        and not any(inside(part[1:]) for part in parts if part[0] == "!")
    )
