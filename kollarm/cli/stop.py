"""``kollarm stop``: end the embedded services of a project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from core import lock
from kollarm.clean import SERVICES
from kollarm.cli.common import optional_config, show, with_config, with_json
from kollarm.services import daemon


@dataclass(frozen=True)
class StoppedServices:
    """The services that ran."""

    names: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        return {"stopped": list(self.names)}

    def to_text(self) -> str:
        return "\n".join(f"stopped {name}" for name in self.names) or "none was running"


@click.command("stop")
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
@with_config
@with_json
def stop_command(folder: Path | None, config_path: Path, as_json: bool) -> None:
    """Stop the embedded registry and Glance. Their data stay, and the next run starts them.

    FOLDER is the state folder of a project. Default: the one of the configuration, or .kollarm.
    """
    if folder is None:
        config = optional_config(config_path)
        folder = config.state_dir if config is not None else Path(".kollarm")
    folder = folder.absolute()
    names: list[str] = []
    if any((folder / name).is_dir() for name in SERVICES):
        with lock.held(folder, click.get_current_context().command_path):
            names = [name for name in SERVICES if daemon.stop(folder / name)]
    show(StoppedServices(tuple(names)), as_json=as_json)
