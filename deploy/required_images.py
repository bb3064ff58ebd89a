"""The images that the hosts of a cloud pull, each once per architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from pydantic import JsonValue

from core.config.model import Architecture
from core.kolla_ansible.images import host_images
from core.kolla_ansible.release_files import ReleaseFiles
from core.kolla_ansible.templar import Undetermined
from deploy.globals import effective_globals
from deploy.inventory import host_variables, hosts_by_group
from deploy.preflight import RequiredImage
from deploy.settings import ResolvedHost, Settings
from deploy.stages import AnsibleOptions


def required_images(
    settings: Settings,
    tree: ReleaseFiles,
    hosts: Sequence[ResolvedHost],
    options: AnsibleOptions,
    globals_d: Mapping[str, Mapping[str, JsonValue]],
) -> tuple[tuple[RequiredImage, ...], tuple[str, ...]]:
    """The images that the hosts within ``--limit`` will pull.

    :param globals_d: the variables of the user's own files in globals.d, in loading order.
    :returns: the images, and notes about hosts whose images can't be determined in advance.
    """
    groups = hosts_by_group(settings, tree, hosts)
    overriding = effective_globals(settings, tree)
    for file in globals_d.values():
        overriding |= dict(file)
    pulling: dict[tuple[str, str, Architecture], list[str]] = {}
    notes: list[str] = []
    for host in hosts:
        if not within_limit(options.limit, host.name, groups):
            continue
        # A host's variables override its groups', and these override those of "all".
        variables: dict[str, object] = {**settings.deploy.group_variables.get("all", {})}
        for group, group_variables in settings.deploy.group_variables.items():
            if group != "all" and host.name in groups.get(group, ()):
                variables.update(group_variables)
        variables.update(host_variables(settings, tree, host))
        variables.update(overriding)
        try:
            uses = host_images(
                tree,
                groups,
                host.name,
                variables,
                host.architecture,
                tags=options.tags,
                skip_tags=options.skip_tags,
            )
        except Undetermined as error:
            notes.append(f"the images of {host.name} can't be determined in advance: {error}")
            continue
        for use in uses:
            pulling.setdefault((use.image, use.name, host.architecture), []).append(host.name)
    images = tuple(RequiredImage(*key, tuple(names)) for key, names in sorted(pulling.items()))
    return images, tuple(notes)


def within_limit(limit: str | None, host: str, groups: Mapping[str, Sequence[str]]) -> bool:
    """Whether a host matches Ansible's ``--limit``: names, groups, wildcards, ``!`` and ``&``.

    With other patterns (an index, a regular expression, a file) every host matches: the
    preflight then looks up more images than will be pulled, never fewer.
    Source: https://docs.ansible.com/ansible/latest/inventory_guide/intro_patterns.html
    """
    if not limit:
        return True
    parts = [part for part in limit.replace(":", ",").split(",") if part]
    if any(part.lstrip("!&")[:1] in ("~", "@") or "[" in part for part in parts):
        return True

    def matches(pattern: str) -> bool:
        return (
            pattern == "all"
            or fnmatchcase(host, pattern)
            or any(fnmatchcase(name, pattern) and host in hosts for name, hosts in groups.items())
        )

    included = [part for part in parts if part[0] not in "!&"] or ["all"]
    return (
        any(map(matches, included))
        and all(matches(part[1:]) for part in parts if part[0] == "&")
        and not any(matches(part[1:]) for part in parts if part[0] == "!")
    )
