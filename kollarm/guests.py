"""The guests of a configuration: which are meant, where their files lie, how they are proven
and what Glance is to know of them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guestprep import publish
from guestprep.boot import BootReport, boot
from guestprep.record import Record
from kollarm import files, progress
from kollarm.cache import file_digest
from kollarm.config.model import Config, Guest
from kollarm.errors import ConfigError
from kollarm.services.glance import EmbeddedGlance


def choose(config: Config, names: Sequence[str]) -> list[Guest]:
    """The guests of these names; all of them when none is named.

    :raises ConfigError: the configuration has no guest, or none of that name.
    """
    if not config.guests:
        raise ConfigError(
            "the configuration has no guests", hint="add a guests: section, see docs/guests.md"
        )
    known = {guest.name: guest for guest in config.guests}
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(
                f"the configuration has no guest {name!r}",
                hint=f"did you mean {close[0]!r}?" if close else f"it has: {', '.join(known)}",
            )
    return [known[name] for name in names] if names else list(config.guests)


def output(config: Config, guest: Guest) -> Path:
    """Where a guest's prepared image lies."""
    return config.state_dir / "guests" / f"{guest.name}.qcow2"


@dataclass(frozen=True)
class Proof:
    """A boot of one image: what was seen, and the screenshot of it.

    :ivar kept: whether it is the report of an earlier boot of the very same bytes.
    """

    image: Path
    report: BootReport
    screenshot: Path
    kept: bool

    def to_json(self) -> dict[str, object]:
        return {
            "image": str(self.image),
            "screenshot": str(self.screenshot),
            "kept": self.kept,
            **self.report.to_json(),
        }


def prove(image: Path, folder: Path, name: str, timeout: float) -> Proof:
    """Boot an image, or take the report of an earlier boot of the very same bytes.

    :param folder: where ``NAME.png`` and ``NAME.boot.json`` are kept.
    :param timeout: seconds that the boot may take.
    """
    digest = file_digest(image)
    record, screenshot = folder / f"{name}.boot.json", folder / f"{name}.png"
    if record.exists() and screenshot.exists():
        try:
            known = json.loads(record.read_text())
            if known["sha256"] == digest:
                return Proof(image, BootReport.from_json(known["report"]), screenshot, True)
        except (ValueError, KeyError, TypeError):
            progress.current().warn(f"{record} is damaged; booting again")
    report = boot(image, timeout=timeout, screenshot=screenshot)
    known = {"sha256": digest, "report": report.to_json()}
    files.write(record, json.dumps(known, indent=2) + "\n")
    return Proof(image, report, screenshot, False)


def cloud(config: Config) -> Any:
    """A connection to the configuration's cloud, the embedded Glance started if it is that.

    :raises KollarmError: the embedded Glance doesn't come up.
    :raises ConfigError: clouds.yaml has no such cloud.
    """
    if config.cloud.embedded:
        glance = EmbeddedGlance(config.state_dir, config.cloud.port)
        glance.start()
        return publish.connect(glance.cloud, clouds_yaml=glance.clouds_yaml)
    return publish.connect(config.cloud.name)


def wish(guest: Guest, record: Record) -> publish.PublishWish:
    """What Glance is to know of a prepared image."""
    return publish.PublishWish(
        name=guest.name,
        os_distro=record.distribution or None,
        os_version=record.release or None,
        os_admin_user=record.distribution or None,  # cloud-init's default user has that name
        properties=guest.properties,
        visibility=guest.visibility,
    )
