"""Proof in a cloud: an instance of a published image, its console seen through Nova's proxy."""

from kollarm.console_proof.model import Diagnosis, ProofReport, ProofSpec, ProofStage
from kollarm.console_proof.pipeline import prove

__all__ = ["Diagnosis", "ProofReport", "ProofSpec", "ProofStage", "prove"]
