"""What is to be proved, what went wrong where, and what a proof showed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from core.progress import duration
from guestprep.boot.report import Sighting
from guestprep.boot.states import BootState


class ProofStage(StrEnum):
    """Where on the way to a console that can be typed into."""

    REQUEST = "request"
    SCHEDULER = "scheduler"
    BUILD = "build"
    FIRMWARE = "firmware"
    KERNEL = "kernel"
    PROXY = "console proxy"
    SCREEN = "screen"
    KEYBOARD = "keyboard"


@dataclass(frozen=True)
class ProofSpec:
    """What is to be proved, and how."""

    image: str
    """The name or id of an image in the cloud."""
    flavor: str | None
    """Name or id; None takes the smallest that the image fits into."""
    network: str | None
    """Name or id; None gives the instance none, which a console doesn't need."""
    host: str | None
    """A compute host, which only an administrator may choose; None leaves it to Nova."""
    timeout: float
    """Seconds for the whole proof, without the cleaning up."""
    screenshot: Path
    """The PNG file that keeps the last screen."""


@dataclass(frozen=True)
class Diagnosis:
    """What failed."""

    stage: ProofStage
    reason: str
    """One sentence."""
    remedy: str
    """What to do about it."""
    fault: str = ""
    """The cloud's own text, empty where it said nothing."""


@dataclass(frozen=True)
class ProofReport:
    """The outcome of a proof."""

    cloud: str
    image: str
    architecture: str | None
    """The image's property, None where it has none."""
    instance: str | None
    """The id of the instance, which is gone by now; None where none was made."""
    host: str | None
    """The compute host, as far as the cloud tells it."""
    seconds: dict[ProofStage, float]
    """Of each stage that was passed."""
    sightings: tuple[Sighting, ...]
    """What the consoles showed, in seconds after the instance was active."""
    screen: BootState
    serial: BootState
    screen_text: str
    serial_tail: str
    screenshot: Path | None
    """None where no screen was seen."""
    diagnosis: Diagnosis | None
    """None when the proof was passed."""

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
            lines += ["serial console's end:", *(f"  {x}" for x in self.serial_tail.splitlines())]
        if self.screenshot:
            lines.append(f"screenshot: {self.screenshot}")
        return "\n".join(lines)
