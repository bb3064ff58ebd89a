"""What to do about a host that fails, from the words of ssh, sudo and Docker."""

from __future__ import annotations

import pytest

from deploy.diagnosis import KNOWN_FAILURES, remedies
from deploy.recap import TaskFailure

SSH = "Task failed: Failed to connect to the host via ssh: "


@pytest.mark.parametrize(
    ("message", "word"),
    [
        (SSH + "Host key verification failed.", "ssh-keyscan"),
        (SSH + "kolla@10.0.0.2: Permission denied (publickey,password).", "deploy.ssh"),
        (SSH + "ssh: connect to host 10.0.0.2 port 22: Connection refused", "start the host"),
        (SSH + "ssh: connect to host 10.0.0.2 port 22: No route to host", "start the host"),
        ('Data could not be sent to "h". Make sure this host can be reached over ssh:', "start"),
        ("Task failed: Premature end of stream: sudo: a password is required", "passwordless"),
        ("Timeout (12s) waiting for privilege escalation prompt:", "ANSIBLE_TIMEOUT"),
        ("http: server gave HTTP response to HTTPS client", "registry.insecure"),
    ],
)
def test_a_known_failure_has_a_remedy(message: str, word: str) -> None:
    (remedy,) = remedies((TaskFailure("cmp1", "Gather facts", message),))
    assert remedy.startswith("cmp1: ") and word in remedy


@pytest.mark.parametrize(
    ("task", "word"),
    [
        ("openstack.kolla.docker : Install docker apt gpg key", "docker_apt_url"),
        ("loadbalancer : Wait for haproxy to listen on VIP", "docker logs haproxy"),
        ("memcached : Checking free port for Memcached", "port"),
        (
            "loadbalancer : Checking if kolla_internal_vip_address and "
            "kolla_external_vip_address are not pingable from any node",
            "deploy.vips",
        ),
    ],
)
def test_a_known_task_has_a_remedy(task: str, word: str) -> None:
    (remedy,) = remedies((TaskFailure("ctl1", task, "non-zero return code"),))
    assert word in remedy


def test_hosts_with_the_same_failure_are_told_together() -> None:
    failures = tuple(
        TaskFailure(host, "Gather facts", KNOWN_FAILURES[0].text) for host in ("b", "a", "b")
    )
    (remedy,) = remedies(failures)
    assert remedy.startswith("b, a: ")


def test_an_unknown_failure_has_none() -> None:
    assert remedies((TaskFailure("a", "task", "non-zero return code"),)) == []
