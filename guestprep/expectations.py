"""What the finished file of a prepared image is held to."""

from __future__ import annotations

from dataclasses import dataclass, field

from guestprep.plan.model import InstallStep, PreparationPlan, ReplaceStep
from guestprep.spec import PreparationSpec


@dataclass(frozen=True)
class Expectations:
    """What was requested of an image, and which of its packages were changed for it."""

    spec: PreparationSpec = field(default_factory=PreparationSpec)
    installed: tuple[tuple[str, str], ...] = ()
    """Name and version of each package that was put in."""
    replaced: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Versions of kernels that were replaced, with the names of the packages removed with them."""

    @staticmethod
    def of(spec: PreparationSpec, plan: PreparationPlan) -> Expectations:
        """What an image must be once a plan was carried out."""
        return Expectations(
            spec,
            tuple(
                (package.name, package.version)
                for step in plan.steps_of(InstallStep)
                for package in step.packages
            ),
            tuple(
                (" and ".join(step.replaced), step.remove) for step in plan.steps_of(ReplaceStep)
            ),
        )
