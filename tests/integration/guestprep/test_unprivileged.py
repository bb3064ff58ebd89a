"""Guests are prepared, proven and published by a user who isn't root and may not use KVM.

The checkout has to be readable by all users.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.cache import file_digest
from core.paths import project_dir
from kollarm.services.glance import EmbeddedGlance
from tests.support.commands import LIMIT, Outcome
from tests.support.disks import Disks

pytestmark = pytest.mark.integration

#: A user id that no account has.
USER = 61234


@dataclass(frozen=True)
class User:
    """Somebody without privileges, in no group, with a umask that hides all from others."""

    home: Path

    def kollarm(self, *words: str | Path, **environ: str) -> Outcome:
        """Run a command in the user's home folder."""
        become = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups"]
        done = subprocess.run(
            [
                *(become if os.geteuid() == 0 else []),
                *("setpriv", "--no-new-privs"),
                *("sh", "-c", 'umask 077; exec "$@"', "sh"),
                *(sys.executable, "-m", "kollarm.cli.main", *map(str, words)),
            ],
            cwd=self.home,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "PYTHONPATH": str(project_dir()),
                "PYTHONDONTWRITEBYTECODE": "1",
                "LIBGUESTFS_CACHEDIR": str(self.home),
                **environ,
            },
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def user(disks: Disks) -> Iterator[User]:
    """A user with a disk and a configuration in a home folder, which pytest's own can't be."""
    with tempfile.TemporaryDirectory(prefix="user-", dir="/tmp") as name:
        home = Path(name)
        shutil.copyfile(disks.source, home / "source.qcow2")
        shutil.copytree(disks.archive.folder, home / "archive")
        archive: dict[str, Any] = {
            "uri": f"file://{home}/archive",
            "suite": disks.archive.suite,
            "keyring": str(home / "archive" / disks.archive.keyring.name),
        }
        source = {"path": "source.qcow2", "sha256": file_digest(disks.source)}
        guest = {"name": "guest", "source": source, "archives": [archive]}
        (home / "kollarm.yml").write_text(yaml.safe_dump({"release": "2026.1", "guests": [guest]}))
        if os.geteuid() == 0:
            for path in (home, *home.rglob("*")):
                os.lchown(path, USER, USER)
        yield User(home)


@pytest.fixture(scope="module")
def prepared(user: User) -> Path:
    done = user.kollarm("guest", "prepare")
    assert done.status == 0, done.stderr
    assert "KVM" not in done.stderr
    return user.home / ".kollarm" / "guests" / "guest.qcow2"


def test_what_was_prepared_is_the_users_alone(user: User, prepared: Path) -> None:
    for path in (prepared, prepared.parent, user.home / ".cache"):
        status = path.stat()
        assert status.st_mode & 0o077 == 0, path
        assert status.st_uid == user.home.stat().st_uid


def test_it_is_booted(user: User, prepared: Path) -> None:
    """Its loader is none: the firmware says so, on a QEMU that the user runs."""
    done = user.kollarm("guest", "boot", prepared, "--timeout", "120")
    assert done.status == 1
    assert "firmware" in done.stderr, done.stderr
    assert (user.home / "guest.png").stat().st_uid == user.home.stat().st_uid


def test_it_is_published(user: User, prepared: Path, glance: EmbeddedGlance) -> None:
    clouds = user.home / "clouds.yaml"
    shutil.copyfile(glance.clouds_yaml, clouds)
    clouds.chmod(0o644)
    environ = {"OS_CLIENT_CONFIG_FILE": str(clouds), "OS_CLOUD": glance.cloud}
    done = user.kollarm("guest", "publish", prepared, "--name", "by-a-user", **environ)
    assert done.status == 0, done.stderr


def test_a_file_that_only_others_may_read_is_named(user: User) -> None:
    secret = user.home / "secret.qcow2"
    secret.touch(0o600)
    if os.geteuid() == 0:
        os.chown(secret, 0, 0)
    else:
        secret.chmod(0)
    done = user.kollarm("guest", "inspect", secret)
    assert done.status == 2
    assert "secret.qcow2" in done.stderr and "readable" in done.stderr
