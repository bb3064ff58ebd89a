"""The results of verifying attestations."""

from __future__ import annotations

from dataclasses import dataclass

from core.tables import table


@dataclass(frozen=True)
class AttestationFinding:
    """One attestation that an index or a guest image should have, and whether it is valid."""

    reference: str
    """The index's or the image file's name."""
    what: str
    """The sort of thing: ``provenance``, ``bill of materials``, ``signature``."""
    subject: str
    """The digest that it is about."""
    good: bool
    text: str

    def to_dict(self) -> dict[str, object]:
        return dict(vars(self))


@dataclass(frozen=True)
class AttestationReport:
    """All attestations that were looked for."""

    findings: tuple[AttestationFinding, ...]

    @property
    def bad(self) -> int:
        """How many are missing or invalid."""
        return sum(not finding.good for finding in self.findings)

    def to_dict(self) -> dict[str, object]:
        return {"ok": not self.bad, "findings": [finding.to_dict() for finding in self.findings]}

    def to_text(self) -> str:
        rows = [
            [finding.reference, finding.what, "ok" if finding.good else "failed", finding.text]
            for finding in self.findings
        ]
        return table("Attestations", ["image", "attestation", "", "result"], rows)
