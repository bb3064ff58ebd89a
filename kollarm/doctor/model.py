"""The findings of an examination, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from core.errors import KollarmError
from core.text_output import joined_lines


class Level(StrEnum):
    """How serious a finding is."""

    GOOD = "ok"
    NOTE = "note"
    """Something is slower than it could be, or could not be checked."""
    MISSING = "missing"
    """Something is missing or wrong, and a run would fail."""


@dataclass(frozen=True)
class Fix:
    """What ``--fix`` does about a finding."""

    packages: tuple[str, ...] = ()
    """Packages of Debian or Ubuntu to install."""
    script: str | None = None
    """One of the project's ``scripts`` to run, which starts a service."""
    command: tuple[str, ...] = ()
    """A command to run as root."""


@dataclass(frozen=True)
class DoctorFinding:
    """One thing that was checked."""

    subject: str
    """The thing, in a few words."""
    level: Level
    text: str
    """Its state."""
    remedy: str | None = None
    """What to do about it; None if nothing has to be done."""
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
    """A finding that something is as it should be."""
    return DoctorFinding(subject, Level.GOOD, text)


def note(subject: str, text: str, remedy: str | None = None) -> DoctorFinding:
    """A finding that something is slower, or could not be checked."""
    return DoctorFinding(subject, Level.NOTE, text, remedy)


def missing(subject: str, text: str, remedy: str, fix: Fix | None = None) -> DoctorFinding:
    """A finding that something is missing or wrong, and a run would fail."""
    return DoctorFinding(subject, Level.MISSING, text, remedy, fix)


def failed(subject: str, error: KollarmError, fix: Fix | None = None) -> DoctorFinding:
    """A finding made from an error: its hint is the remedy."""
    return DoctorFinding(subject, Level.MISSING, error.message, error.hint, fix)


@dataclass(frozen=True)
class DoctorReport:
    """All findings, in the order of the checks."""

    findings: tuple[DoctorFinding, ...] = field(default=())

    @property
    def missing(self) -> tuple[DoctorFinding, ...]:
        """The findings that would make a run fail."""
        return tuple(finding for finding in self.findings if finding.level is Level.MISSING)

    @property
    def fixable(self) -> tuple[DoctorFinding, ...]:
        """Those of them that ``--fix`` can do something about."""
        return tuple(finding for finding in self.missing if finding.fix is not None)

    def to_dict(self) -> dict[str, object]:
        return {
            "ok": not self.missing,
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def to_text(self) -> str:
        """A line for each finding, each remedy below its finding, and the verdict."""
        width = max((len(finding.subject) for finding in self.findings), default=0)
        lines = []
        for finding in self.findings:
            lines.append(f"{finding.level.value:7}  {finding.subject:{width}}  {finding.text}")
            if finding.remedy:
                lines.append(f"{'':7}  {'':{width}}  → {finding.remedy}")
        return joined_lines([*lines, "", self.verdict])

    @property
    def verdict(self) -> str:
        """The whole in one sentence."""
        count, fixable = len(self.missing), len(self.fixable)
        if not count:
            return "no problems found"
        problems = f"{count} problem{'s' if count > 1 else ''} found"
        if not fixable:
            return problems
        share = "it" if count == 1 else "them" if count == fixable else f"{fixable} of them"
        return f"{problems}; run 'kollarm doctor --fix' to fix {share}"
