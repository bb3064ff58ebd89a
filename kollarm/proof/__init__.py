"""Proof in a cloud: an instance of a published image, its console seen through Nova's proxy."""

from kollarm.proof.model import Diagnosis, ProofReport, ProofWish, Stage
from kollarm.proof.pipeline import prove

__all__ = ["Diagnosis", "ProofReport", "ProofWish", "Stage", "prove"]
