"""What is promised of a prepared image: what the checks of the finished file hold it to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from guestprep.record import PreparationRecord
from guestprep.spec import PreparationSpec


@dataclass(frozen=True)
class Expectations:
    """What was requested of an image, and which of its packages were changed for it."""

    spec: PreparationSpec = field(default_factory=PreparationSpec)
    installed: tuple[tuple[str, str], ...] = ()
    """Name and version of each package that was put in."""
    replaced: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Version of each kernel that another took the place of, with the names of the packages that
    went.
    """

    @staticmethod
    def of(spec: PreparationSpec, plan: Mapping[str, Any]) -> Expectations:
        """What carrying out a plan promises.

        :param plan: as plain data (:meth:`guestprep.plan.BuildPlan.to_dict`).
        """
        steps = plan["steps"]
        return Expectations(
            spec,
            tuple(
                (str(package["name"]), str(package["version"]))
                for step in steps
                for package in step.get("packages", ())
            ),
            tuple(
                (str(step["old"]), tuple(map(str, step["remove"])))
                for step in steps
                if step["kind"] == "replace"
            ),
        )

    @staticmethod
    def recorded(record: PreparationRecord) -> Expectations | None:
        """What a record promises; None where it is of another version of kollarm."""
        try:
            return Expectations.of(PreparationSpec.from_data(record.inputs["wishes"]), record.plan)
        except (KeyError, TypeError, ValueError):
            return None
