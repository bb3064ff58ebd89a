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
    warnings: tuple[str, ...] = ()
    """Why some of its attestations are missing."""


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
        return not self.failures

    @property
    def failures(self) -> list[str]:
        """A sentence for each image and index that failed.

        An index that is only left as it was is not a failure of its own: its image is named.
        """
        images, indices = self._failed()
        return [*map(_failure, images), *map(_failure, indices)]

    def _failed(self) -> tuple[list[ImageRecord], list[IndexRecord]]:
        images = [row for row in self.images if row.state is State.FAILED]
        return images, [row for row in self.indices if row.state is State.FAILED]

    def raise_for_failures(self) -> None:
        """:raises KollarmError: something failed; names all that did, and where the logs are."""
        if self.ok:
            return
        images, indices = self._failed()
        details = []
        for row in images:
            details += [_failure(row), *(f"    {line}" for line in row.lines)]
        details += map(_failure, indices)
        logs = [str(row.log) for row in images if row.log]
        parts = [f"{len(images)} of {len(self.images)} images"] if images else []
        parts += [f"{len(indices)} of {len(self.indices)} indices"] if indices else []
        raise KollarmError(
            f"{' and '.join(parts)} failed",
            hint=f"the whole log: {', '.join(logs)}" if logs else None,
            details="\n".join(details),
        )

    def to_text(self) -> str:
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
                *(
                    f"warning: {row.reference}: {warning}"
                    for row in self.indices
                    for warning in row.warnings
                ),
            ]
        )

    def to_dict(self) -> dict[str, object]:
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


def _failure(row: ImageRecord | IndexRecord) -> str:
    name = f"{row.image} ({row.architecture})" if isinstance(row, ImageRecord) else row.reference
    return f"{name}: {row.error}"


def _short(digest: str | None) -> str:
    """As much of a digest as a person needs to tell it from others."""
    return (digest or "")[:19]
