"""What the failures of kolla-ansible's tasks mean, and what to do about each."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.recap import TaskFailure


@dataclass(frozen=True)
class KnownFailure:
    """A failure whose text doesn't say what to do."""

    text: str
    """Part of the task's name or its message: of ssh, sudo, Docker, Ansible or kolla-ansible."""
    remedy: str


#: The first that fits counts. ssh's texts are those of OpenSSH's sshconnect.c and ssh.c; tasks are
#: those of kolla-ansible's roles and of the collection openstack.kolla.
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
        "waiting for privilege escalation prompt",
        "the host's sudo answers too slowly: let Ansible wait longer, with ANSIBLE_TIMEOUT=60 in "
        "the environment",
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
        "Install docker apt gpg key",
        "set deploy.globals.docker_apt_url to a mirror that the host reaches, or take Docker from "
        "the distribution: enable_docker_repo: false, docker_apt_package: docker.io",
    ),
    KnownFailure(
        "osbpo.debian.net",
        "set deploy.globals.docker_sdk_osbpo_apt_repo to an archive that the host reaches and that "
        "has python3-docker, such as Debian's own",
    ),
    KnownFailure(
        "Could not get lock /var/lib/dpkg",
        "wait until the host's own upgrade is done",
    ),
    *(
        KnownFailure(
            f"No module named '{module}'",
            "run the stage bootstrap-servers, or name the right Python: hosts.NAME.python",
        )
        for module in ("dbus", "docker")
    ),
    KnownFailure(
        "vip_address are not pingable",
        "choose free addresses for deploy.vips; another machine has one of them, or an earlier "
        "deployment left it",
    ),
    KnownFailure(
        "to listen on VIP",
        "see on the host why there is nothing at deploy.vips: docker logs keepalived (an address "
        "outside the api interface's network, another cloud's keepalived_virtual_router_id), "
        "docker logs haproxy (too few open files: lower haproxy_max_connections)",
    ),
    KnownFailure(
        "waiting for search string MariaDB",
        "look at /var/log/kolla/mariadb/mariadb.log there; a slow host may only need more time",
    ),
    KnownFailure(
        "failed to register",
        "look at /var/log/kolla/nova/nova-compute.log there; if nova-compute only took longer to "
        "start than kolla-ansible waits (200 seconds), run the stage again",
    ),
    KnownFailure(
        "Checking free port for",
        "stop what listens on that port, or set the service's port in deploy.globals",
    ),
    KnownFailure(
        "certificate signed by unknown authority",
        "put the registry's authority on the host: /etc/docker/certs.d/ADDRESS/ca.crt",
    ),
    KnownFailure(
        "server gave HTTP response to HTTPS client",
        "set registry.insecure and run bootstrap-servers, which tells the hosts' engines",
    ),
    # Ansible's own words where ssh gave no reason
    KnownFailure(
        "Make sure this host can be reached over ssh",
        "start the host and its ssh server; logging in by hand shows more",
    ),
)


def remedies(failures: tuple[TaskFailure, ...]) -> list[str]:
    """What to do about these failures, each remedy once, with the hosts that it is for."""
    hosts: dict[str, list[str]] = {}
    for failure in failures:
        told = f"{failure.task}: {failure.message}".lower()
        for known in KNOWN_FAILURES:
            if known.text.lower() in told:
                named = hosts.setdefault(known.remedy, [])
                if failure.host not in named:
                    named.append(failure.host)
                break
    return [f"{', '.join(named)}: {remedy}" for remedy, named in hosts.items()]
