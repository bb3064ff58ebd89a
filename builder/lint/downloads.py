"""Notes on what overlays take from the network without a check."""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder.context import dockerfile
from builder.lint import sed_edits
from builder.lint.patches import changes
from builder.overlays import kolla_build
from builder.overlays.model import TREE_PATCH, Overlay
from core.errors import Fault

_DOWNLOAD = re.compile(r"\b(?:curl|wget)\b[^;&|]*\bhttps?://")
_PIPED = re.compile(
    r"\b(?:curl|wget)\b[^;&]*(?<!\|)\|\s*(?:sudo\s+|env\s+)*(?:\S*/)?(sh|bash|dash|perl|python3?)\b"
)
_CHECK = re.compile(r"\b(?:(?:sha\d+|b2)sum|gpgv?|openssl|cosign|minisign)\b")


def notes_of(overlay: Overlay) -> Iterator[Fault]:
    """Programs that are run as they come from the network, and files without a digest."""
    yield from _of_text(overlay.template or "", str(overlay.template_path), 0)
    for hunk in changes(overlay.tree_patch() or ""):
        place = str(overlay.folder / TREE_PATCH)
        if hunk.path.endswith("/Dockerfile.j2"):
            yield from _of_text(hunk.text, place, hunk.first - 1, hunk.added)
    for section, options in kolla_build.read(overlay.folder).items():
        if options.get("type") == "url" and "sha256" not in options:
            yield Fault(
                kolla_build.place_of(overlay.folder, section, "location"),
                "is fetched without a checksum: TLS alone vouches for it",
                "set sha256 beside it",
            )


def _of_text(
    text: str, place: str, before: int, lines: frozenset[int] | None = None
) -> Iterator[Fault]:
    for instruction in dockerfile.instructions(sed_edits.without_jinja(text)):
        span = range(instruction.first, instruction.last + 1)
        if lines is not None and not lines & set(span):
            continue
        where, value = f"{place}:{before + instruction.first}", instruction.value
        if instruction.keyword == "RUN" and (match := _PIPED.search(value)):
            message = f"gives what it downloads to {match[1]}, unseen"
            yield Fault(where, message, "download it, check its digest, then run it")
        elif instruction.keyword == "RUN" and _DOWNLOAD.search(value):
            if not _CHECK.search(value):
                message = "downloads without a digest: TLS alone vouches for it"
                yield Fault(where, message, "compare it in the same RUN: sha256sum -c")
        elif (
            instruction.keyword == "ADD"
            and re.search(r"\bhttps?://", value)
            and "--checksum=" not in value
        ):
            message = "downloads without a digest: TLS alone vouches for it"
            yield Fault(where, message, "ADD --checksum=sha256:…, or curl with sha256sum -c")
