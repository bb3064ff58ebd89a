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
    """What is to be proved, and how.

    :param image: the name or id of an image in the cloud.
    :param flavor: name or id; None takes the smallest that the image fits into.
    :param network: name or id; None gives the instance none, which a console doesn't need.
    :param host: a compute host, which only an administrator may choose; None leaves it to Nova.
    :param timeout: seconds for the whole proof, without the cleaning up.
    :param screenshot: the PNG file that keeps the last screen.
    """

    image: str
    flavor: str | None
    network: str | None
    host: str | None
    timeout: float
    screenshot: Path


@dataclass(frozen=True)
class Diagnosis:
    """What failed.

    :param reason: one sentence.
    :param remedy: what to do about it.
    :param fault: the cloud's own text, empty where it said nothing.
    """

    stage: ProofStage
    reason: str
    remedy: str
    fault: str = ""


@dataclass(frozen=True)
class ProofReport:
    """The outcome of a proof.

    :param instance: the id of the instance, which is gone by now; None where none was made.
    :param host: the compute host, as far as the cloud tells it.
    :param architecture: the image's property, None where it has none.
    :param seconds: of each stage that was passed.
    :param sightings: what the consoles showed, in seconds after the instance was active.
    :param screenshot: None where no screen was seen.
    :param diagnosis: None when the proof was passed.
    """

    cloud: str
    image: str
    architecture: str | None
    instance: str | None
    host: str | None
    seconds: dict[ProofStage, float]
    sightings: tuple[Sighting, ...]
    screen: BootState
    serial: BootState
    screen_text: str
    serial_tail: str
    screenshot: Path | None
    diagnosis: Diagnosis | None

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

    def to_json(self) -> dict[str, object]:
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
