"""Pulling images by the digest that was verified.

kolla-ansible pulls images by their tag, and knows them on a host by it: it takes no digest
(``parse_image`` in its kolla_container_worker.py splits a reference at the last colon). So
a playbook of kollarm's own pulls each image by its digest, and gives it the tag that kolla-ansible
then finds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import yaml

from core.errors import KollarmError
from core.oci.registry import CONCURRENCY, RegistryClient
from deploy.preflight import RequiredImage
from deploy.settings import Settings
from deploy.stages import (
    PLAYBOOK,
    AnsibleOptions,
    Command,
    DeployStage,
    ansible_environment,
    limiting,
)

if TYPE_CHECKING:
    from core.attestation.newest import NewestIndices
    from core.attestation.signing import PublicKey

#: Registry, repository and tag of an image.
Reference = tuple[str, str, str]


class ImagesUnverified(KollarmError):
    """Some images aren't signed as ``deploy.require_signature`` wants it."""

    def __init__(self, faults: Sequence[str], total: int):
        super().__init__(
            f"{len(faults)} of {total} images can't be verified; nothing was pulled",
            hint="build them with this key: kollarm build; or write what is missing: "
            "kollarm attest write",
            details="\n".join(faults),
        )


def verified_digests(
    images: Sequence[RequiredImage],
    client_at: Callable[[str], RegistryClient],
    key: PublicKey,
    newest: NewestIndices,
) -> dict[Reference, str]:
    """The digest of each image's index, which is signed with a key.

    :param client_at: returns the client of the registry at a ``host:port``.
    :raises ImagesUnverified: some aren't; each with the reason.
    """
    from core.attestation import verification  # noqa: PLC0415 - brings cryptography along

    references = list(dict.fromkeys((one.registry, one.repository, one.tag) for one in images))
    clients = {name: client_at(name) for name in dict.fromkeys(r for r, _, _ in references)}

    def digest(reference: Reference) -> str | KollarmError:
        registry, repository, tag = reference
        try:
            return verification.require_signed(clients[registry], repository, tag, key, newest)
        except KollarmError as error:
            return error

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        found = dict(zip(references, pool.map(digest, references), strict=True))
    faults = [one.message for one in found.values() if isinstance(one, KollarmError)]
    if faults:
        raise ImagesUnverified(faults, len(references))
    return {reference: one for reference, one in found.items() if isinstance(one, str)}


def pulling_command(
    settings: Settings, stage: DeployStage, options: AnsibleOptions, *, login: bool
) -> Command:
    """The command that pulls the images of a stage by digest.

    In the place of the stage ``pull``, and before another one that would pull what is missing.

    :param login: the registry has a user, whose password is in passwords.yml.
    """
    folder = settings.config_dir
    words = [
        "-i",
        str(settings.inventory),
        *limiting(options),
        *(["--check"] if options.check else []),
    ]
    words += ["-e", f"@{folder / 'passwords.yml'}"] if login else []
    return Command(
        stage,
        ("ansible-playbook", *words, str(folder / PLAYBOOK)),
        ansible_environment(settings),
        preparation=stage is not DeployStage.PULL,
    )


def playbook(
    images: Sequence[RequiredImage],
    digests: Mapping[Reference, str],
    *,
    engine: str,
    registry_user: str | None,
) -> str:
    """The playbook that pulls each host's images.

    :param engine: the hosts' (``docker`` or ``podman``).
    :param registry_user: logs in to the images' registries for the pulls alone.
    """
    hosts: dict[str, list[dict[str, str]]] = {}
    for image in images:
        name = f"{image.registry}/{image.repository}"
        digest = digests[image.registry, image.repository, image.tag]
        for host in image.hosts:
            hosts.setdefault(host, []).append({"by": f"{name}@{digest}", "tag": image.image})
    folder = "/run/kollarm-pull"
    own = {"loop": "{{ kollarm_images[inventory_hostname] | default([]) }}"}
    here = {"when": "inventory_hostname in kollarm_images", "changed_when": False}

    def command(*argv: str) -> dict[str, Any]:
        return {"ansible.builtin.command": {"argv": [engine, *argv]}, "changed_when": False}

    tasks: list[dict[str, Any]] = [
        {"name": "Pull by digest", **command("pull", "--quiet", "{{ item.by }}"), **own},
        {"name": "Tag", **command("tag", "{{ item.by }}", "{{ item.tag }}"), **own},
    ]
    play: dict[str, Any] = {
        "name": "Pull the verified images",
        "hosts": "all",
        "gather_facts": False,
        "vars": {"kollarm_images": {name: [*found] for name, found in hosts.items()}},
    }
    if registry_user is not None:
        logins: list[dict[str, Any]] = [
            {
                "name": f"Log in to {registry}",
                "ansible.builtin.command": {
                    "argv": [engine, "login", "-u", registry_user, "--password-stdin", registry],
                    "stdin": "{{ docker_registry_password }}",
                },
                "no_log": True,
                **here,
            }
            for registry in sorted({one.registry for one in images})
        ]
        absent: Any = {"path": folder, "state": "absent"}
        out = {"name": "Log out", "ansible.builtin.file": absent, **here}
        play["environment"] = {
            "DOCKER_CONFIG": folder,
            "REGISTRY_AUTH_FILE": f"{folder}/config.json",
        }
        tasks = [{"block": [*logins, *tasks], "always": [out]}]
    play["tasks"] = [*tasks]
    return yaml.safe_dump([play], sort_keys=False, allow_unicode=True, width=10_000)
