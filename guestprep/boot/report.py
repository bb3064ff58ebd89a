"""The report of a boot."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from core.progress import duration
from core.text_output import joined_lines
from guestprep.boot.states import BootState


@dataclass(frozen=True)
class Sighting:
    """A state that follows another one on the screen or the serial console."""

    seconds: float
    """After power-on."""
    source: str
    """``screen`` or ``serial``."""
    state: BootState


@dataclass(frozen=True)
class BootReport:
    """The outcome of a boot."""

    passed: bool
    """Whether the screen showed a login prompt."""
    state: BootState
    """What the screen showed at the end, or what stopped the machine."""
    serial_state: BootState
    """What the serial console showed at the end."""
    seconds: float
    """From power-on to the verdict."""
    timed_out: bool
    """Whether the time limit ended it."""
    accelerator: str
    """``kvm`` or ``tcg``."""
    sightings: tuple[Sighting, ...]
    screen_text: str
    """The last screen as optical recognition read it."""
    serial_tail: str
    """The last lines of the serial console."""

    @property
    def summary(self) -> str:
        """The outcome in one line."""
        outcome = self.state.meaning
        if not self.passed and self.serial_state is BootState.LOGIN_PROMPT:
            outcome += ", while the serial console shows a login prompt"
        late = " at the time limit" if self.timed_out else ""
        return f"{outcome}{late} ({duration(self.seconds)}, {self.accelerator.upper()})"

    def to_text(self) -> str:
        """The outcome with its history, for a person."""
        lines = [("passed: " if self.passed else "failed: ") + self.summary]
        lines += [f"  {x.seconds:6.1f} s  {x.source}: {x.state}" for x in self.sightings]
        if not self.passed and self.serial_tail:
            lines += ["serial console's end:", *(f"  {x}" for x in self.serial_tail.splitlines())]
        return joined_lines(lines)

    def to_dict(self) -> dict[str, object]:
        return asdict(self) | {"summary": self.summary}

    @staticmethod
    def from_dict(data: object) -> BootReport:
        """What :meth:`to_dict` gave.

        :raises ValueError: it is something else.
        """
        return TypeAdapter(BootReport).validate_python(data)
