"""From facts and what is requested to the steps: pure functions, plain data."""

from guestprep.plan.make import make_plan
from guestprep.plan.model import (
    AlreadySatisfied,
    CleanStep,
    CopyStep,
    FileStep,
    GrowStep,
    GrubStep,
    InitramfsStep,
    InstallStep,
    PreparationPlan,
    PreparationStep,
    ReplaceStep,
    TimezoneStep,
)

__all__ = [
    "AlreadySatisfied",
    "CleanStep",
    "CopyStep",
    "FileStep",
    "GrowStep",
    "GrubStep",
    "InitramfsStep",
    "InstallStep",
    "PreparationPlan",
    "PreparationStep",
    "ReplaceStep",
    "TimezoneStep",
    "make_plan",
]
