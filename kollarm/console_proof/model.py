"""What to prove, and what a proof showed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from core.progress import duration
from core.text_output import joined_lines
from guestprep.boot.report import Sighting
from guestprep.boot.states import BootState


class ProofStage(StrEnum):
    """A stage on the way to a console that takes keys."""

    REQUEST = "request"
    SCHEDULER = "scheduler"
    BUILD = "build"
    FIRMWARE = "firmware"
    KERNEL = "kernel"
    PROXY = "console proxy"
    SCREEN = "screen"
    SERIAL = "serial console"
    KEYBOARD = "keyboard"
    REBOOT = "after a reboot"
    REBUILD = "after a rebuild"
    RESIZE = "after a resize"


class ConsoleKind(StrEnum):
    """Which console is used."""

    NOVNC = "novnc"
    """The screen and the keyboard."""
    SERIAL = "serial"
    """The serial port."""


class InstanceChange(StrEnum):
    """What is done with an instance before its console is proven again."""

    REBOOT = "reboot"
    """A hard one: the machine is made anew."""
    REBUILD = "rebuild"
    RESIZE = "resize"

    @property
    def stage(self) -> ProofStage:
        return ProofStage(f"after a {self}")


@dataclass(frozen=True)
class ProofSpec:
    """What to prove, and how."""

    image: str
    """The name or id of an image in the cloud."""
    flavor: str | None
    """Name or id; None for the smallest that the image fits into."""
    network: str | None
    """Name or id; None for an instance without a network, which a console does not need."""
    host: str | None
    """A compute host, which only an administrator may choose; None to let Nova choose."""
    timeout: float
    """Seconds for the whole proof, without deleting the instance."""
    screenshot: Path
    """The PNG file for the last screen."""
    console: ConsoleKind = ConsoleKind.NOVNC
    after: tuple[InstanceChange, ...] = ()
    """Changes after each of which the console is proven again."""
    resize_to: str | None = None
    """Name or id of the flavor to resize to; None for the next larger one."""


@dataclass(frozen=True)
class Diagnosis:
    """What failed."""

    stage: ProofStage
    reason: str
    """One sentence."""
    remedy: str
    """What to do about it."""
    fault: str = ""
    """The cloud's own text; empty if there is none."""


@dataclass(frozen=True)
class ProofReport:
    """The outcome of a proof."""

    cloud: str
    image: str
    architecture: str | None
    """The image's property; None if it has none."""
    instance: str | None
    """The id of the instance, which is deleted by now; None if none was created."""
    host: str | None
    """The compute host; None if the cloud does not say."""
    seconds: dict[ProofStage, float]
    """The duration of each stage that was passed."""
    sightings: tuple[Sighting, ...]
    """What the consoles showed, by seconds after the instance was active."""
    screen: BootState
    serial: BootState
    screen_text: str
    serial_tail: str
    screenshot: Path | None
    """None if no screen was seen."""
    diagnosis: Diagnosis | None
    """None if the proof was passed."""

    @property
    def passed(self) -> bool:
        return self.diagnosis is None

    @property
    def summary(self) -> str:
        """The outcome in one line."""
        if self.diagnosis is None:
            return (
                f"{self.image} on {self.host or 'a host of the cloud'}: its console shows a login "
                f"prompt and takes keys ({duration(sum(self.seconds.values()))})"
            )
        return f"{self.image}: {self.diagnosis.stage} failed: {self.diagnosis.reason}"

    def to_dict(self) -> dict[str, object]:
        return asdict(self) | {
            "passed": self.passed,
            "summary": self.summary,
            "screenshot": str(self.screenshot) if self.screenshot else None,
        }

    def to_text(self) -> str:
        """The outcome with its history, for a person."""
        lines = [("passed: " if self.passed else "failed: ") + self.summary]
        lines += [f"  ok    {stage} ({duration(spent)})" for stage, spent in self.seconds.items()]
        if self.diagnosis:
            lines.append(f"  FAIL  {self.diagnosis.stage}")
        lines += [
            f"  {seen.seconds:6.1f} s  {seen.source}: {seen.state}" for seen in self.sightings
        ]
        if self.diagnosis and self.diagnosis.fault:
            lines.append(f"the cloud says: {self.diagnosis.fault}")
        if self.diagnosis and self.serial_tail:
            tail = self.serial_tail.splitlines()
            lines += ["end of the serial console:", *(f"  {line}" for line in tail)]
        if self.screenshot:
            lines.append(f"screenshot: {self.screenshot}")
        return joined_lines(lines)
