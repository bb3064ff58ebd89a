"""From facts and wishes to the steps that fulfil them: pure functions, plain data."""

from guestprep.plan.make import make_plan
from guestprep.plan.model import (
    CleanStep,
    CopyStep,
    FileStep,
    GrowStep,
    GrubStep,
    InitramfsStep,
    InstallStep,
    Plan,
    ReplaceStep,
    Settled,
    Step,
    TimezoneStep,
)

__all__ = [
    "CleanStep",
    "CopyStep",
    "FileStep",
    "GrowStep",
    "GrubStep",
    "InitramfsStep",
    "InstallStep",
    "Plan",
    "ReplaceStep",
    "Settled",
    "Step",
    "TimezoneStep",
    "make_plan",
]
