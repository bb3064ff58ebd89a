"""Claims about a finished image, and whether each holds."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.text_output import joined_lines


@dataclass(frozen=True)
class Check:
    """One claim and whether it holds."""

    claim: str
    good: bool
    found: str = ""
    """What was found instead; meaningless when the claim holds."""

    def __str__(self) -> str:
        mark = "ok  " if self.good else "FAIL"
        return f"{mark} {self.claim}" + (f" (found: {self.found})" if not self.good else "")

    def to_dict(self) -> dict[str, object]:
        found = "" if self.good else self.found
        return {"claim": self.claim, "good": self.good, "found": found}


@dataclass(frozen=True)
class Checks:
    """All claims about one image."""

    path: str
    checks: tuple[Check, ...]
    dpkg_status: str = field(default="", repr=False)
    """The content of its dpkg status file, which the checks have read."""

    @property
    def good(self) -> bool:
        return all(check.good for check in self.checks)

    def to_dict(self) -> dict[str, object]:
        checks = [check.to_dict() for check in self.checks]
        return {"good": self.good, "path": self.path, "checks": checks}

    def to_text(self) -> str:
        return joined_lines(map(str, self.checks))
