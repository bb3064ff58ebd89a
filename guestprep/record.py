"""The record of a preparation, kept beside its result as ``RESULT.json``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from core import files
from core.cache import file_digest
from core.errors import UnusableInput
from core.progress import duration, size
from guestprep.spec import PreparationSpec

#: Raised whenever the same source and request would give another result than before.
RECIPE = 1


@dataclass(frozen=True)
class PreparationRecord:
    """What was made of what, and how."""

    name: str
    source: str
    output: str
    sha256: str
    size: int
    distribution: str
    """os-release's ID and VERSION_ID."""
    release: str
    """os-release's ID and VERSION_ID."""
    inputs: dict[str, object]
    """What the result depends on: the source's digest, the request, the recipe."""
    plan: dict[str, object]
    """As plain data."""
    outcome: dict[str, object]
    """As plain data."""
    checks: list[dict[str, object]]
    """As plain data."""
    seconds: dict[str, float]
    """What each part took."""
    architecture: str = ""
    """As :class:`guestprep.facts.GuestFacts` has them."""
    uefi: str = ""
    """As :class:`guestprep.facts.GuestFacts` has them."""
    admin_user: str = ""
    """As :class:`guestprep.facts.GuestFacts` has them."""
    kept: bool = False
    """Whether an earlier run's result was found complete and left as it was."""

    def to_dict(self) -> dict[str, object]:
        return asdict(self)

    def lines(self) -> list[str]:
        total = sum(self.seconds.values())
        if self.kept:
            return [f"{self.output}: kept, made earlier from the same source ({size(self.size)})"]
        if self.plan.get("empty"):
            return [f"{self.output}: {size(self.size)}, a copy: its source is prepared already"]
        return [f"{self.output}: {size(self.size)}, prepared in {duration(total)}"]


def record_path(output: Path) -> Path:
    """Where a result's record is."""
    return output.with_name(output.name + ".json")


def inputs_of(
    source_sha256: str, spec: PreparationSpec, archives: list[dict[str, object]]
) -> dict[str, object]:
    """What a result depends on."""
    return {
        "source": source_sha256,
        "wishes": spec.to_dict(),
        "archives": archives,
        "recipe": RECIPE,
    }


def write(record: PreparationRecord, path: Path) -> None:
    files.write(path, json.dumps(record.to_dict(), indent=2, sort_keys=True) + "\n")


def beside(output: Path) -> PreparationRecord | None:
    """The record beside an image; None where there is none that can be read."""
    try:
        return PreparationRecord(**json.loads(record_path(output).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def earlier(output: Path, inputs: dict[str, object]) -> PreparationRecord | None:
    """The record of a result that is complete and still what these inputs give; else None."""
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
