"""Proof in a cloud: the console of a published image's instance, used through Nova's proxy."""

from kollarm.console_proof.model import (
    ConsoleKind,
    Diagnosis,
    InstanceChange,
    ProofReport,
    ProofSpec,
    ProofStage,
)
from kollarm.console_proof.pipeline import prove

__all__ = [
    "ConsoleKind",
    "Diagnosis",
    "InstanceChange",
    "ProofReport",
    "ProofSpec",
    "ProofStage",
    "prove",
]
