"""What builds images: a container engine, or a buildx builder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from builder.connect import Stoppable
from builder.facts import Local
from kollarm.config.model import Architecture


class Builder(Protocol):
    """One place that builds images; :class:`builder.engine.Engine` says what each call means.

    :ivar url: how the configuration names it.
    """

    url: str

    def image(self, reference: str) -> Local | None: ...

    def by_key(self) -> dict[tuple[str, str], str]: ...

    def have(
        self,
        reference: str,
        architecture: Architecture,
        key: str,
        *,
        note: Callable[[str], None] = ...,
        control: Stoppable | None = None,
    ) -> str: ...

    def pull(
        self, reference: str, architecture: Architecture, *, control: Stoppable | None = None
    ) -> Local: ...

    def build(
        self,
        context: IO[bytes],
        reference: str,
        architecture: Architecture,
        *,
        build_args: Mapping[str, str] | None = None,
        use_cache: bool = True,
        log: Path | None = None,
        note: Callable[[str], None] = ...,
        control: Stoppable | None = None,
    ) -> Local: ...

    def tag(self, image: str, reference: str) -> None: ...

    def publish(
        self,
        image: Local,
        reference: str,
        architecture: Architecture,
        *,
        control: Stoppable | None = None,
    ) -> None: ...

    def extract(
        self, image: str, paths: Iterable[str], wanted: Callable[[str], bool]
    ) -> dict[str, bytes]: ...

    def output(self, image: str, argv: Sequence[str]) -> bytes | None: ...
