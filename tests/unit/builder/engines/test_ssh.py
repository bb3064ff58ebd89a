"""Engines behind ssh: what ssh is called with, and what it says."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from builder.engines import ssh


def test_what_ssh_is_called_with() -> None:
    assert ssh.words("ssh://arm-host") == ["arm-host"]
    assert ssh.words("ssh://kolla@arm-host:2222/") == ["-p", "2222", "kolla@arm-host"]
    assert ssh.words("ssh://root@[fd00::1]:22") == ["-p", "22", "root@fd00::1"]


@pytest.mark.parametrize(
    "url",
    ["ssh://", "ssh://root@", "ssh://-oProxyCommand=x", "ssh://-oProxyCommand=x@h", "ssh://h:x"],
)
def test_what_is_no_host(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        ssh.words(url)


@pytest.mark.parametrize(
    ("said", "reason", "remedy"),
    [
        ("x@h: Permission denied (publickey).\n", "Permission denied", "ssh-copy-id -p 2 x@h"),
        ("sh: 1: docker: not found\n", "docker: not found", "install Docker"),
        ("dial unix /var/run/docker.sock: connect: permission denied", "denied", "group docker"),
        ("ssh: Could not resolve hostname h: Name or service not known", "resolve", "name and"),
        (
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\n",
            "HAS CHANGED",
            "ssh-keygen -R",
        ),
        ("Warning: added h.\nsomething new.\n", "something new", ""),
        ("", "the connection was closed", ""),
    ],
)
def test_what_went_wrong(said: str, reason: str, remedy: str) -> None:
    told, hint = ssh.explain(said, ["-p", "2", "x@h"])
    assert reason in told
    assert remedy in (hint or "")
    assert bool(hint) is bool(remedy)


def test_a_tunnel_removes_what_killed_runs_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        left = Path(name) / "kollarm-ssh-left"
        left.mkdir(mode=0o700)
        (left / "lock").touch()
        os.utime(left, (0, 0))
        tunnel = ssh.Tunnel("ssh://host")
        [folder] = Path(name).iterdir()
        assert folder != left and tunnel.url == f"unix://{folder}/engine"
        del tunnel
        assert list(Path(name).iterdir()) == []
