"""An OCI registry on loopback: Debian's docker-registry, its data under the state folder.

The configuration file's shape is that of the Distribution project's registry 2.x
(https://distribution.github.io/distribution/about/configuration/).
"""

from __future__ import annotations

import sys
from pathlib import Path

import requests
import yaml

from core import files
from core.config.model import Config, Registry
from core.errors import ConfigError, KollarmError
from core.run import run, which
from kollarm.services import chosen_ports, daemon, ports


class EmbeddedRegistry:
    """The registry of one project.

    :param settings: its ``address`` says where it listens.
    :param state_dir: the project's state folder.
    """

    def __init__(self, settings: Registry, state_dir: Path):
        host, _, port = settings.address.rpartition(":")
        if not host or not port.isdigit():
            raise ConfigError(
                f"registry.address: {settings.address!r} is not HOST:PORT",
                hint="the embedded registry listens on loopback, such as 127.0.0.1:5055",
            )
        self.host, self.port = host, int(port)
        self.folder = state_dir.absolute() / "registry"

    @property
    def address(self) -> str:
        """``host:port``, the first part of an image's reference."""
        return f"{self.host}:{self.port}"

    def start(self) -> bool:
        """Make sure that it runs and answers; return whether it had to be started.

        :raises KollarmError: docker-registry is not installed or does not start, or
            its port belongs to another program.
        """
        started = daemon.start(self._daemon())
        chosen_ports.keep(self.folder, self.port)
        return started

    def stop(self) -> bool:
        """Stop it; return whether it ran. Its data stay."""
        return daemon.stop(self.folder)

    def collect_garbage(self) -> None:
        """Free the space of what was deleted; the registry is stopped meanwhile.

        :raises KollarmError: docker-registry is not installed, fails, or does not start again.
        """
        *_, program, _serve, config_file = self._program()
        self.stop()
        try:
            run([program, "garbage-collect", config_file])
        finally:
            self.start()

    def running(self) -> int | None:
        """Its process id; None if it does not run."""
        return daemon.running_in(self.folder)

    def _config(self) -> str:
        return yaml.safe_dump(
            {
                "version": "0.1",
                "log": {"level": "info", "accesslog": {"disabled": True}},
                "storage": {
                    "filesystem": {"rootdirectory": str(self.folder / "data")},
                    # Lets replaced images be deleted, and their space be collected.
                    "delete": {"enabled": True},
                },
                "http": {"addr": self.address},
            },
            sort_keys=False,
        )

    def _daemon(self) -> daemon.Daemon:
        return daemon.Daemon(
            name="registry",
            folder=self.folder,
            program=self._program,
            address=(self.host, self.port),
            answers=self._answers,
            settings=self._config(),
            port_hint="choose another port in registry.address",
        )

    def _program(self) -> tuple[str, ...]:
        program = which("docker-registry")
        if program is None:
            raise KollarmError(
                "docker-registry, the program of the embedded registry, is not installed",
                hint="kollarm doctor --fix installs it (package docker-registry)",
            )
        config_file = self.folder / "config.yml"
        files.write(config_file, self._config(), mode=0o600)
        # A web page in a browser could use it as well: see there.
        before = (
            sys.executable,
            "-P",
            "-m",
            "kollarm.services.host_check",
            self.host,
            str(self.port),
        )
        return *before, program, "serve", str(config_file)

    def _answers(self) -> bool:
        answer = ports.get(f"http://{self.address}/v2/")
        return (
            answer is not None
            and answer.status_code == requests.codes.ok
            and answer.headers.get("Docker-Distribution-Api-Version") == "registry/2.0"
        )


def start_registry(config: Config) -> None:
    """Start the embedded registry if the configuration has one."""
    if config.registry.embedded:
        EmbeddedRegistry(config.registry, config.state_dir).start()
