"""A Glance on loopback, from PyPI: SQLite, a file store, and optionally a real Keystone.

Without Keystone a small filter (``data/kollarm_identity.py``) makes every user an
administrator: whoever can reach the port may do everything, so it listens on loopback only, and
refuses what web pages make a browser send there.
"""

from __future__ import annotations

from pathlib import Path

import requests

from core import files
from kollarm.services import chosen_ports, daemon, glance_files, openstack_tools, passwords, ports
from kollarm.services.glance_files import ADMINISTRATOR, CLOUD, HERE, SERVICE, GlanceFolders

#: Seconds that a start may take on a busy machine.
DEADLINE = 180.0


class EmbeddedGlance:
    """The Glance of one project.

    :param state_dir: the project's state folder.
    :param port: where Glance listens on 127.0.0.1.
    :param keystone_port: run a Keystone there, which Glance asks; without it users are not
        authenticated.
    """

    def __init__(self, state_dir: Path, port: int, *, keystone_port: int | None = None):
        self.port = port
        self.keystone_port = keystone_port
        self.layout = GlanceFolders(state_dir.absolute() / "glance")
        self.keystone_folder = state_dir.absolute() / "keystone"

    @property
    def url(self) -> str:
        """Glance's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def keystone_url(self) -> str | None:
        """Keystone's address (without ``/v3``); None if there is none."""
        return f"http://127.0.0.1:{self.keystone_port}" if self.keystone_port else None

    @property
    def cloud(self) -> str:
        """The cloud's name in :attr:`clouds_yaml`."""
        return CLOUD

    @property
    def clouds_yaml(self) -> Path:
        """The file for openstacksdk: ``OS_CLIENT_CONFIG_FILE=… OS_CLOUD=kollarm``."""
        return self.layout.folder / "clouds.yaml"

    def start(self) -> bool:
        """Make sure that it runs and answers; return whether it had to be started.

        :raises KollarmError: its packages can't be installed, it does not start, or its
            port belongs to another program.
        """
        self.layout.make()
        text = glance_files.clouds(self.url, self.keystone_url, self.password(ADMINISTRATOR))
        files.write(self.clouds_yaml, text, mode=0o600)
        if self.keystone_port is not None:
            assert self.keystone_url is not None
            users = {user: self.password(user) for user in (ADMINISTRATOR, SERVICE)}
            openstack_tools.keystone_database(
                self.keystone_folder, self.keystone_url, self.url, users
            )
            daemon.start(self._keystone(self.keystone_port))
        openstack_tools.glance_database(self.layout)
        started = daemon.start(self._glance())
        chosen_ports.keep(self.layout.folder, self.port)
        return started

    def password(self, user: str) -> str:
        """The password of a user in Keystone; empty where there is no Keystone."""
        return passwords.password(self.keystone_folder, user) if self.keystone_port else ""

    def stop(self) -> bool:
        """Stop it and its Keystone; return whether it ran. Its data stay."""
        ran = daemon.stop(self.layout.folder)
        if self.keystone_port is not None:
            daemon.stop(self.keystone_folder)
        return ran

    def running(self) -> int | None:
        """Its process id; None if it does not run."""
        return daemon.running_in(self.layout.folder)

    @property
    def log(self) -> Path:
        """Glance's log, with the reasons of its refusals."""
        return self._glance().log

    def _glance(self) -> daemon.Daemon:
        contents = glance_files.glance(self.url, self.keystone_url, self.password(SERVICE))
        return daemon.Daemon(
            name="Glance",
            folder=self.layout.folder,
            program=lambda: self._prepare(
                self.layout.etc, contents, "glance.wsgi.api:application", self.port
            ),
            address=("127.0.0.1", self.port),
            # The list of versions has the status "multiple choices".
            answers=lambda: _status(self.url) == requests.codes.multiple_choices,
            env={
                "OS_GLANCE_CONFIG_DIR": str(HERE / "etc"),
                "PYTHONPATH": str(openstack_tools.DATA),
            },
            settings="".join((openstack_tools.requirements(), *contents.values())),
            port_hint="choose another port in cloud.port",
            deadline=DEADLINE,
        )

    def _keystone(self, port: int) -> daemon.Daemon:
        url = f"http://127.0.0.1:{port}"
        folder = self.keystone_folder
        contents = glance_files.keystone(url)
        return daemon.Daemon(
            name="Keystone",
            folder=folder,
            program=lambda: self._prepare(
                folder / "etc", contents, "kollarm_keystone:application", port
            ),
            address=("127.0.0.1", port),
            answers=lambda: _status(f"{url}/v3") == requests.codes.ok,
            env={
                "OS_KEYSTONE_CONFIG_DIR": str(HERE / "etc"),
                "PYTHONPATH": str(openstack_tools.DATA),
            },
            settings="".join((openstack_tools.requirements(), *contents.values())),
            deadline=DEADLINE,
        )

    @staticmethod
    def _prepare(
        etc: Path, contents: dict[str, str], application: str, port: int
    ) -> tuple[str, ...]:
        """Write a service's configuration and return the command that serves it."""
        for name, text in contents.items():
            files.write(etc / name, text, mode=0o600)
        return openstack_tools.gunicorn(openstack_tools.tools(), application, port)


def _status(url: str) -> int | None:
    """The status of a GET; None if nothing answers."""
    answer = ports.get(url)
    return None if answer is None else answer.status_code
