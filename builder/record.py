"""The record of a build, as tables and as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from core.config.model import Architecture
from core.errors import KollarmError
from core.progress import duration, size
from core.tables import table


class State(StrEnum):
    """The final state of an image or index."""

    BUILT = "built"
    PUSHED = "pushed"
    KEPT = "kept"
    WRITTEN = "written"
    #: An index left as it was, because an image it should name failed.
    LEFT = "left"
    FAILED = "failed"


@dataclass(frozen=True)
class ImageRecord:
    """One image of one architecture."""

    image: str
    architecture: Architecture
    reference: str
    state: State
    digest: str | None = None
    """Of its manifest in the registry; None when it failed."""
    size: int | None = None
    """Bytes of its compressed layers and config."""
    seconds: float = 0.0
    """That building and pushing took."""
    log: Path | None = None
    error: str | None = None
    """Why it failed."""
    step: str | None = None
    lines: tuple[str, ...] = ()
    parent: str | None = None
    """The Kolla image it starts from; None for ``base``."""
    started: str | None = None
    """When that began (RFC 3339, UTC); None when nothing was done."""


@dataclass(frozen=True)
class IndexRecord:
    """The index over one image's architectures."""

    image: str
    reference: str
    state: State
    digest: str | None = None
    members: tuple[Architecture, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class BuildRecord:
    """A whole run."""

    release: str
    registry: str
    images: tuple[ImageRecord, ...]
    indices: tuple[IndexRecord, ...]
    seconds: float
    left_out: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    @property
    def failures(self) -> list[str]:
        """A sentence for each image and index that failed.

        An index that is only left as it was is not a failure of its own: its image is named.
        """
        return [
            f"{row.image} ({row.architecture}): {row.error}"
            for row in self.images
            if row.state is State.FAILED
        ] + [f"{row.reference}: {row.error}" for row in self.indices if row.state is State.FAILED]

    def raise_for_failures(self) -> None:
        """:raises KollarmError: something failed; names all that did, and where the logs are."""
        if self.ok:
            return
        details = []
        for row in self.images:
            if row.state is State.FAILED:
                details.append(f"{row.image} ({row.architecture}): {row.error}")
                details += [f"    {line}" for line in row.lines]
        details += [
            f"{row.reference}: {row.error}" for row in self.indices if row.state is State.FAILED
        ]
        logs = [str(row.log) for row in self.images if row.state is State.FAILED and row.log]
        parts = [
            f"{sum(row.state is State.FAILED for row in rows)} of {len(rows)} {what}"
            for rows, what in ((self.images, "images"), (self.indices, "indices"))
            if any(row.state is State.FAILED for row in rows)
        ]
        raise KollarmError(
            f"{' and '.join(parts)} failed",
            hint=f"the whole log: {', '.join(logs)}" if logs else None,
            details="\n".join(details),
        )

    def to_text(self) -> str:
        """The record as two tables."""
        images = [
            [
                row.image,
                row.architecture.value,
                row.state.value,
                _short(row.digest),
                size(row.size) if row.size else "",
                duration(row.seconds) if row.seconds else "",
            ]
            for row in self.images
        ]
        indices = [
            [row.reference, ", ".join(row.members), row.state.value, _short(row.digest)]
            for row in self.indices
        ]
        columns = ["image", "architecture", "state", "digest", "size", "time"]
        return "\n".join(
            [
                table("Container images", columns, images),
                table("Indices", ["reference", "architectures", "state", "digest"], indices),
                *(f"left out: {line}" for line in self.left_out),
            ]
        )

    def to_dict(self) -> dict[str, object]:
        """The record as plain data."""

        def plain(row: ImageRecord | IndexRecord) -> dict[str, object]:
            return {
                key: str(value) if isinstance(value, Path) else value
                for key, value in asdict(row).items()
            }

        return {
            "release": self.release,
            "registry": self.registry,
            "seconds": round(self.seconds, 3),
            "ok": self.ok,
            "images": [plain(row) for row in self.images],
            "indices": [plain(row) for row in self.indices],
            "left_out": list(self.left_out),
        }


def _short(digest: str | None) -> str:
    """As much of a digest as a person needs to tell it from others."""
    return (digest or "")[:19]
