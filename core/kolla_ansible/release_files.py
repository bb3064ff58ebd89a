"""The files of a kolla-ansible release, read as plain data.

They hold the sample inventory, the variables that are defined for all hosts, the plays, and
the images of each role.  Ansible is not run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from core.errors import UnusableInput

#: PyYAML's safe loader; the one in C is many times as fast, but not in every build of PyYAML.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: How the URL of the repository of the collection openstack.kolla ends.
_COLLECTION = "ansible-collection-kolla"

#: The keys of a ``roles`` entry in kolla-ansible that are not variables.
_ROLE_KEYWORDS = frozenset({"role", "tags", "when", "vars", "become", "delegate_to", "run_once"})


@dataclass(frozen=True)
class SampleInventory:
    """The groups of a sample inventory, in order.

    Source of the format:
    https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html
    """

    hosts: Mapping[str, tuple[str, ...]]
    """The hosts listed in each group itself."""
    children: Mapping[str, tuple[str, ...]]
    """The child groups of each group."""

    @property
    def groups(self) -> tuple[str, ...]:
        """All groups, in the order of their first appearance."""
        return tuple(dict.fromkeys([*self.hosts, *self.children]))


def parse_inventory(text: str) -> SampleInventory:
    """Parse an INI inventory; variables and comments are ignored."""
    hosts: dict[str, list[str]] = {}
    children: dict[str, list[str]] = {}
    target: list[str] | None = None
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if words[0].startswith("[") and words[0].endswith("]"):
            name, _, kind = words[0][1:-1].partition(":")
            match kind:
                case "":
                    target = hosts.setdefault(name, [])
                case "children":
                    target = children.setdefault(name, [])
                case _:
                    target = None
        elif target is not None:
            target.append(words[0])
    return SampleInventory(
        {group: tuple(names) for group, names in hosts.items()},
        {group: tuple(names) for group, names in children.items()},
    )


@dataclass(frozen=True)
class Play:
    """One role of a play of site.yml, with the play's hosts."""

    hosts: tuple[str, ...]
    """The host patterns."""
    role: str
    when: object
    """The condition, unevaluated."""
    tags: frozenset[str]
    variables: Mapping[str, object]
    """The variables that the play and its entry for the role set."""


class ReleaseFiles:
    """A release's ``share/kolla-ansible`` folder.

    :param root: the folder that holds ``ansible/`` and ``etc_examples/``.
    :param script: the text of kolla-ansible's shell tool; empty in releases with a Python tool.
    """

    def __init__(self, root: Path, script: str = ""):
        self.root = root
        self.script = script
        self._known: dict[Path, Any] = {}
        if not (root / "ansible/site.yml").is_file():
            raise UnusableInput(f"{root} is not a kolla-ansible tree: it has no ansible/site.yml")

    @cached_property
    def sample(self) -> SampleInventory:
        """The multinode sample inventory."""
        return parse_inventory(
            (self.root / "ansible/inventory/multinode").read_text(encoding="utf-8")
        )

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """The variables that kolla-ansible defines for all hosts (its group_vars/all)."""
        folder = self.root / "ansible/group_vars"
        single = folder / "all.yml"
        merged: dict[str, Any] = {}
        for file in [single] if single.is_file() else sorted((folder / "all").glob("*.yml")):
            merged |= self._yaml(file) or {}
        return merged

    @property
    def has_globals_d(self) -> bool:
        """Whether the release loads ``globals.d/*.yml`` beside globals.yml."""
        return not self.script or "globals.d" in self.script

    @cached_property
    def secrets(self) -> frozenset[str]:
        """The names that passwords.yml holds."""
        return frozenset(self._yaml(self.passwords_sample) or {})

    @property
    def passwords_sample(self) -> Path:
        """The empty passwords.yml that kolla-genpwd fills."""
        return self.root / "etc_examples/kolla/passwords.yml"

    @cached_property
    def kolla_collection(self) -> tuple[str, str] | None:
        """The git repository and branch of openstack.kolla; None if the release doesn't need it.

        They are in ``requirements.yml``.  The collections of ``requirements-core.yml``, in older
        releases, are all in the ``ansible`` package.
        """
        for entry in (self._optional("requirements.yml") or {}).get("collections", ()):
            if entry.get("type") == "git" and str(entry["name"]).rstrip("/").endswith(_COLLECTION):
                return str(entry["name"]), str(entry.get("version", "HEAD"))
        return None

    @cached_property
    def _texts(self) -> str:
        folders = (self.root / "ansible/group_vars", self.root / "ansible/roles")
        kinds = {".yml", ".j2", ".yaml", ".conf", ".sh", ".json"}
        return "\n".join(
            file.read_text(encoding="utf-8", errors="replace")
            for folder in folders
            for file in sorted(folder.rglob("*"))
            if file.suffix in kinds and file.is_file()
        )

    def reads(self, variable: str) -> bool:
        """Whether any role or default of the release mentions a variable."""
        return variable in self._texts

    @cached_property
    def plays(self) -> tuple[Play, ...]:
        """The plays of site.yml in order, imported playbooks included."""
        return tuple(_plays(self.root / "ansible/site.yml", self._yaml))

    @cached_property
    def grouped_by(self) -> tuple[str, ...]:
        """The templates of the groups that site.yml makes with ``group_by`` (``enable_x_True``)."""
        templates: list[str] = []
        for play in self._yaml(self.root / "ansible/site.yml"):
            for task in play.get("tasks") or ():
                if "group_by" in task or "ansible.builtin.group_by" in task:
                    templates += task.get("with_items") or ()
        return tuple(templates)

    def role_defaults(self, role: str) -> Mapping[str, Any]:
        """A role's own default variables."""
        folder = self.root / "ansible/roles" / role / "defaults"
        merged: dict[str, Any] = {}
        for file in sorted([*folder.glob("main.yml"), *folder.glob("main/*.yml")]):
            merged |= self._yaml(file) or {}
        return merged

    def role_variables(self, role: str) -> Mapping[str, Any]:
        """A role's own fixed variables (``vars/main.yml``)."""
        return self._optional(f"ansible/roles/{role}/vars/main.yml") or {}

    def role_dependencies(self, role: str) -> tuple[str, ...]:
        """The roles that Ansible runs before a role (Rocky's ``common``)."""
        metadata = self._optional(f"ansible/roles/{role}/meta/main.yml") or {}
        listed = metadata.get("dependencies") or ()
        return tuple(entry if isinstance(entry, str) else entry["role"] for entry in listed)

    def pull_tasks(self, role: str) -> Sequence[Mapping[str, Any]]:
        """The tasks of a role's ``pull.yml``; none if it has no such file."""
        return self._optional(f"ansible/roles/{role}/tasks/pull.yml") or ()

    def _optional(self, path: str) -> Any:
        """The data of a YAML file; None if there is none."""
        return self._yaml(self.root / path) if (self.root / path).is_file() else None

    def _yaml(self, file: Path) -> Any:
        """The data of a YAML file, which is read once; callers must not change it."""
        if file not in self._known:
            try:
                self._known[file] = yaml.load(file.read_text(encoding="utf-8"), _LOADER)
            except (OSError, yaml.YAMLError) as error:
                raise UnusableInput(f"{file} can't be read: {error}") from error
        return self._known[file]


def _plays(file: Path, read: Callable[[Path], Any]) -> list[Play]:
    plays: list[Play] = []
    for play in read(file):
        imported = play.get("import_playbook") or play.get("ansible.builtin.import_playbook")
        if imported:
            plays += _plays(file.parent / imported, read)
            continue
        for entry in _role_entries(play):
            plays.append(
                Play(
                    tuple(_list(play["hosts"])),
                    entry["role"],
                    entry.get("when", True),
                    frozenset(_list(play.get("tags"))) | frozenset(_list(entry.get("tags"))),
                    (play.get("vars") or {}) | (entry.get("vars") or {}),
                )
            )
    return plays


def _role_entries(play: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The roles that a play runs in full, each as an entry of ``roles``."""
    for role in play.get("roles") or ():
        if isinstance(role, str):
            yield {"role": role}
        else:
            # Older files have a role's variables among its keywords.
            variables = {key: value for key, value in role.items() if key not in _ROLE_KEYWORDS}
            yield {**role, "vars": variables | (role.get("vars") or {})}
    for task in play.get("tasks") or ():
        for word in ("import_role", "include_role"):
            imported = task.get(word) or task.get(f"ansible.builtin.{word}")
            # With tasks_from only another file of the role's tasks runs, so nothing is pulled.
            if imported and "tasks_from" not in imported:
                yield {**task, "role": imported.get("name") or imported["role"]}


def _list(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return [part.strip() for part in value.replace(",", ":").split(":") if part.strip()]
    return [str(item) for item in value]
