"""What the failures of kolla-ansible's tasks mean, and what to do about each."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.recap import TaskFailure


@dataclass(frozen=True)
class KnownFailure:
    """A failure whose text doesn't say what to do."""

    text: str
    """Part of the message: of ssh, sudo, Docker or Ansible."""
    remedy: str


#: The first that fits counts. ssh's texts are those of OpenSSH's sshconnect.c and ssh.c.
KNOWN_FAILURES = (
    KnownFailure(
        "Host key verification failed",
        "make the hosts' keys known to ssh, by logging in once by hand or with ssh-keyscan",
    ),
    KnownFailure(
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "if the host was installed again, forget its old key: ssh-keygen -R HOST",
    ),
    KnownFailure(
        "Permission denied (",
        "check deploy.ssh: the host doesn't accept this user with this key",
    ),
    KnownFailure(
        "password is required",
        "give the user of deploy.ssh passwordless sudo on the host",
    ),
    KnownFailure(
        "Missing sudo password",
        "give the user of deploy.ssh passwordless sudo on the host",
    ),
    KnownFailure(
        "Could not resolve hostname",
        "set hosts.NAME.address in the deploy section",
    ),
    *(
        KnownFailure(text, "start the host and its ssh server, or correct its address and port")
        for text in ("Connection refused", "No route to host", "Connection timed out")
    ),
    KnownFailure(
        "Could not detect a supported package manager",
        "install the Python of the distribution's package manager on the host: python3-apt",
    ),
    KnownFailure(
        "server gave HTTP response to HTTPS client",
        "set registry.insecure and run bootstrap-servers, which tells the hosts' engines",
    ),
)


def remedies(failures: tuple[TaskFailure, ...]) -> list[str]:
    """What to do about these failures, each remedy once, with the hosts that it is for."""
    hosts: dict[str, list[str]] = {}
    for failure in failures:
        for known in KNOWN_FAILURES:
            if known.text in failure.message:
                named = hosts.setdefault(known.remedy, [])
                if failure.host not in named:
                    named.append(failure.host)
                break
    return [f"{', '.join(named)}: {remedy}" for remedy, named in hosts.items()]
