"""From facts and wishes to the steps that fulfil them: pure functions, plain data."""

from guestprep.plan.make import make_plan
from guestprep.plan.model import (
    CleanStep,
    FileStep,
    GrubStep,
    InitramfsStep,
    InstallStep,
    Plan,
    ReplaceStep,
    Settled,
    Step,
)

__all__ = [
    "CleanStep",
    "FileStep",
    "GrubStep",
    "InitramfsStep",
    "InstallStep",
    "Plan",
    "ReplaceStep",
    "Settled",
    "Step",
    "make_plan",
]
