"""passwords.yml: made by kolla-genpwd, never overwritten, only added to."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import yaml

from core import files
from core.errors import KollarmError, UnusableInput
from core.kolla_ansible.release_files import ReleaseFiles

#: Keys that kolla-genpwd leaves empty on purpose.
_MAY_BE_EMPTY = frozenset({"docker_registry_password"})


class PasswordsAction(StrEnum):
    """What is to be done about passwords.yml."""

    CREATE = "create"
    MERGE = "merge"
    KEEP = "keep"


@dataclass(frozen=True)
class PasswordsPlan:
    """The passwords file and what becomes of it; never a value from it."""

    path: Path
    sample: Path
    action: PasswordsAction
    added: tuple[str, ...] = ()
    """Names that get a generated value."""
    loose_mode: int | None = None
    """The mode it has now, when others could read it."""
    encrypted: bool = False

    def __str__(self) -> str:
        match self.action:
            case PasswordsAction.CREATE:
                text = f"create {self.path} (kolla-genpwd, mode 0600)"
            case PasswordsAction.MERGE:
                text = f"add to {self.path}: {', '.join(self.added)}"
            case PasswordsAction.KEEP:
                text = f"keep {self.path}"
        if self.encrypted:
            text += " (encrypted by ansible-vault: whether names are missing can't be seen)"
        if self.loose_mode is not None:
            text += f" (mode {self.loose_mode:04o} becomes 0600)"
        return text


def plan_passwords(path: Path, tree: ReleaseFiles) -> PasswordsPlan:
    """Look at the passwords file and say what has to be done.

    :raises UnusableInput: it isn't a mapping.
    """
    sample = tree.passwords_sample
    if not path.exists():
        return PasswordsPlan(path, sample, PasswordsAction.CREATE, tuple(sorted(tree.secrets)))
    mode = stat.S_IMODE(path.stat().st_mode)
    loose = mode if mode & 0o077 else None
    text = path.read_text()
    if text.startswith("$ANSIBLE_VAULT"):
        return PasswordsPlan(path, sample, PasswordsAction.KEEP, (), loose, encrypted=True)
    held = _read(path)
    missing = [n for n in tree.secrets if held.get(n) is None and n not in _MAY_BE_EMPTY]
    action = PasswordsAction.MERGE if missing else PasswordsAction.KEEP
    return PasswordsPlan(path, sample, action, tuple(sorted(missing)), loose)


def apply_passwords(plan: PasswordsPlan, call: Callable[[Sequence[str | Path]], None]) -> None:
    """Do what the plan says.

    The new file is made in a folder that only its owner can enter, and takes its
    name when every value that was there before is in it unchanged.

    :param call: runs a program of the release's environment.
    :raises KollarmError: the file appeared in the meantime, or a value would change.
    """
    path = plan.path
    if plan.action is not PasswordsAction.KEEP:
        with tempfile.TemporaryDirectory(prefix=".passwords-", dir=path.parent) as folder:
            work = Path(folder) / "passwords.yml"
            if plan.action is PasswordsAction.CREATE:
                shutil.copyfile(plan.sample, work)
            else:
                call(["kolla-mergepwd", "--old", path, "--new", plan.sample, "--final", work])
            work.chmod(0o600)
            call(["kolla-genpwd", "-p", work])
            work.chmod(0o600)
            if plan.action is PasswordsAction.CREATE:
                _appear(work, path)
            else:
                _unchanged(_read(path), _read(work))
                files.write(path.with_name("passwords.yml.before"), path.read_bytes(), mode=0o600)
                work.replace(path)
    if plan.loose_mode is not None:
        path.chmod(0o600)


def _appear(work: Path, path: Path) -> None:
    try:
        os.link(work, path)  # unlike a rename, never over a file that is there
    except FileExistsError:
        raise KollarmError(f"{path} has just been made by someone else", hint="try again") from None


def _unchanged(old: dict[str, object], new: dict[str, object]) -> None:
    lost = sorted(
        name for name, value in old.items() if value is not None and new.get(name) != value
    )
    if lost:
        raise KollarmError(
            f"merging would change passwords: {', '.join(lost)}", hint="nothing was written"
        )


def _read(path: Path) -> dict[str, object]:
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise UnusableInput(
            f"{path} can't be read as YAML",  # the error itself could quote a password
            hint=f"line {error.problem_mark.line + 1}"
            if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark
            else None,
        ) from None
    if not isinstance(data, dict):
        raise UnusableInput(f"{path} must hold names and passwords")
    return data
