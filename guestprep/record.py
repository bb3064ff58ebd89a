"""The record of a preparation, kept beside its result as ``RESULT.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from core import files
from core.cache import file_digest
from core.config.model import AptArchive
from core.errors import UnusableInput
from core.progress import duration, size
from guestprep.checks import Check
from guestprep.expectations import Expectations
from guestprep.plan.model import PreparationPlan
from guestprep.spec import PreparationSpec

#: Increased whenever the same source and request would give a different result than before.
RECIPE = 4


@dataclass(frozen=True)
class PreparationRecord:
    """How an image was prepared, and from what."""

    name: str
    source: str
    output: str
    sha256: str
    size: int
    distribution: str
    """ID in os-release."""
    release: str
    """VERSION_ID in os-release."""
    inputs: dict[str, object]
    """What the result depends on: the source's digest, the request, the recipe."""
    plan: PreparationPlan
    outcome: dict[str, object]
    """What carrying out the plan amounted to: packages, files, bytes, seconds; as plain data."""
    checks: tuple[Check, ...]
    """Checks of the finished file; empty if there was nothing to do."""
    seconds: dict[str, float]
    """Seconds that each part of the preparation took."""
    architecture: str = ""
    """The system's architecture, by the kernel's name for it; empty when unknown."""
    uefi: str = ""
    """Path on the ESP of the loader that UEFI starts by itself; empty when there is none."""
    admin_user: str = ""
    """The user that cloud-init creates; empty when it names none."""
    bios: bool = False
    """Whether the disk starts with GRUB for machines without UEFI."""
    kept: bool = False
    """Whether an earlier run's result was found complete and left as it was."""

    @property
    def source_sha256(self) -> str:
        return str(self.inputs["source"])

    @property
    def expectations(self) -> Expectations | None:
        """What the image is held to; None where another version of kollarm recorded the request."""
        try:
            spec = PreparationSpec.from_dict(self.inputs["wishes"])
        except (KeyError, TypeError, ValueError):
            return None
        return Expectations.of(spec, self.plan)

    def to_dict(self) -> dict[str, object]:
        return asdict(self) | {"plan": self.plan.to_dict()}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> PreparationRecord:
        """The record that :meth:`to_dict` gave.

        :raises KeyError, TypeError, ValueError: it is something else.
        """
        plan = PreparationPlan.from_dict(data["plan"])
        checks = tuple(Check(**check) for check in data["checks"])
        return PreparationRecord(**{**data, "plan": plan, "checks": checks})

    def to_text(self) -> str:
        total = sum(self.seconds.values())
        if self.kept:
            return f"{self.output}: kept: made earlier from the same source ({size(self.size)})"
        if self.plan.empty:
            return f"{self.output}: {size(self.size)}, a copy: its source is prepared already"
        return f"{self.output}: {size(self.size)}, prepared in {duration(total)}"


def record_path(output: Path) -> Path:
    """Path of a result's record."""
    return output.with_name(output.name + ".json")


def inputs_of(
    source_sha256: str, spec: PreparationSpec, archives: Iterable[AptArchive]
) -> dict[str, object]:
    """What a result depends on."""
    return {
        "source": source_sha256,
        "wishes": spec.to_dict(),
        "archives": [archive.model_dump(mode="json") for archive in archives],
        "recipe": RECIPE,
    }


def write(record: PreparationRecord, path: Path) -> None:
    files.write(path, json.dumps(record.to_dict(), indent=2, sort_keys=True) + "\n")


def beside(output: Path) -> PreparationRecord | None:
    """The record beside an image; None where there is none that can be read."""
    try:
        return PreparationRecord.from_dict(
            json.loads(record_path(output).read_text(encoding="utf-8"))
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None


def earlier(output: Path, inputs: dict[str, object]) -> PreparationRecord | None:
    """The record of a complete result that these inputs would give again; None otherwise."""
    record = beside(output)
    if record is None or record.inputs != json.loads(json.dumps(inputs)) or not output.exists():
        return None
    if record.size != output.stat().st_size or file_digest(output) != record.sha256:
        return None
    return replace(record, kept=True)


def read(output: Path) -> PreparationRecord:
    """The record of a prepared image.

    :raises UnusableInput: there is no such image, or it isn't what its record says.
    """
    record = beside(output)
    if record is None or not output.exists():
        raise UnusableInput(
            f"{output} has not been prepared", hint="run kollarm guest prepare first"
        )
    found = output.stat().st_size
    if found != record.size:
        raise UnusableInput(
            f"{output} has {found} bytes, but {record.size} were written",
            hint="run kollarm guest prepare again",
        )
    return record
