"""What an examination finds, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from core.errors import KollarmError


class Level(StrEnum):
    """How a finding bears on what is wanted."""

    GOOD = "ok"
    NOTE = "note"
    LACKING = "lacking"


@dataclass(frozen=True)
class Fix:
    """What ``--fix`` does about a finding."""

    packages: tuple[str, ...] = ()
    """Of Debian or Ubuntu, to be installed."""
    script: str | None = None
    """One of the project's ``scripts``, which starts what doesn't run."""
    command: tuple[str, ...] = ()
    """Run as root."""


@dataclass(frozen=True)
class DoctorFinding:
    """One thing that was looked at."""

    subject: str
    """What was looked at, in a few words."""
    level: Level
    text: str
    """What was found."""
    remedy: str | None = None
    """What to do about it; None where nothing has to be done."""
    fix: Fix | None = None

    def to_dict(self) -> dict[str, object]:
        return {
            "subject": self.subject,
            "level": self.level.value,
            "text": self.text,
            "remedy": self.remedy,
            "fixable": self.fix is not None,
        }


def good(subject: str, text: str) -> DoctorFinding:
    """A finding that all is well."""
    return DoctorFinding(subject, Level.GOOD, text)


def note(subject: str, text: str, remedy: str | None = None) -> DoctorFinding:
    """A finding that something is slower, or couldn't be looked at."""
    return DoctorFinding(subject, Level.NOTE, text, remedy)


def lacking(subject: str, text: str, remedy: str, fix: Fix | None = None) -> DoctorFinding:
    """A finding that something is missing without which a run would fail."""
    return DoctorFinding(subject, Level.LACKING, text, remedy, fix)


def failed(subject: str, error: KollarmError, fix: Fix | None = None) -> DoctorFinding:
    """The finding that an error amounts to: its hint is the remedy."""
    return DoctorFinding(subject, Level.LACKING, error.message, error.hint, fix)


@dataclass(frozen=True)
class DoctorReport:
    """Everything that was found, in the order of looking."""

    findings: tuple[DoctorFinding, ...] = field(default=())

    @property
    def lacking(self) -> tuple[DoctorFinding, ...]:
        """The findings without whose remedy a run would fail."""
        return tuple(one for one in self.findings if one.level is Level.LACKING)

    @property
    def fixable(self) -> tuple[DoctorFinding, ...]:
        return tuple(one for one in self.lacking if one.fix is not None)

    def to_dict(self) -> dict[str, object]:
        return {
            "ok": not self.lacking,
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def lines(self) -> list[str]:
        """A line for each finding, each remedy below its finding, and the verdict."""
        width = max((len(finding.subject) for finding in self.findings), default=0)
        lines = []
        for finding in self.findings:
            lines.append(f"{finding.level.value:7}  {finding.subject:{width}}  {finding.text}")
            if finding.remedy:
                lines.append(f"{'':7}  {'':{width}}  → {finding.remedy}")
        return [*lines, "", self.verdict]

    @property
    def verdict(self) -> str:
        """The whole in one sentence."""
        count, easy = len(self.lacking), len(self.fixable)
        if not count:
            return "nothing is lacking"
        things = "1 thing is" if count == 1 else f"{count} things are"
        if not easy:
            return f"{things} lacking"
        share = "it" if count == easy == 1 else "all" if count == easy else f"{easy} of them"
        return f"{things} lacking; kollarm doctor --fix sees to {share}"
