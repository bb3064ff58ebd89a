"""in-toto statements with SLSA provenance.

Formats: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md and
https://slsa.dev/spec/v1.0/provenance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from core.errors import KollarmError
from core.json_object import json_object
from core.version import __version__

STATEMENT = "https://in-toto.io/Statement/v1"

#: The types of statements that are read; cosign 2 writes the older one.
STATEMENTS = (STATEMENT, "https://in-toto.io/Statement/v0.1")

PROVENANCE = "https://slsa.dev/provenance/v1"

#: Media type of a bare statement.
MEDIA_TYPE = "application/vnd.in-toto+json"

BUILDER = "urn:kollarm:builder"


def statement(
    name: str, sha256: str, predicate_type: str, predicate: Mapping[str, object]
) -> dict[str, object]:
    """A statement about one thing.

    :param sha256: of the thing, 64 hexadecimal digits.
    """
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": sha256}}],
        "predicateType": predicate_type,
        "predicate": dict(predicate),
    }


def parsed(payload: bytes) -> dict[str, Any]:
    """The statement in a payload.

    :raises KollarmError: it is something else.
    """
    document = json_object(payload, "a statement")
    if document.get("_type") not in STATEMENTS:
        raise KollarmError("it is not an in-toto statement")
    return document


def is_about(document: Mapping[str, Any], sha256: str) -> bool:
    """Whether the thing that a statement is about has this digest."""
    return bool(_subjects(document, sha256))


def is_about_image(document: Mapping[str, Any], sha256: str, repository: str) -> bool:
    """Whether a statement is about the manifest with this digest in a repository.

    The registry's own address isn't compared: a mirror has the same images.
    """
    names = (one.get("name") for one in _subjects(document, sha256))
    return any(isinstance(name, str) and path_of(name) == repository for name in names)


def path_of(reference: str) -> str:
    """The repository in an image's full name, without registry, tag and digest."""
    path = reference.partition("/")[2].partition("@")[0]
    name, mark, tag = path.rpartition(":")
    return name if mark and "/" not in tag else path


def _subjects(document: Mapping[str, Any], sha256: str) -> list[Mapping[str, Any]]:
    subjects = document.get("subject")
    return [
        one
        for one in (subjects if isinstance(subjects, list) else [])
        if isinstance(one, dict)
        and isinstance(one.get("digest"), dict)
        and one["digest"].get("sha256") == sha256
    ]


def dependency(
    uri: str, *, name: str = "", sha256: str = "", git: str = "", **annotations: object
) -> dict[str, object]:
    """Something a thing was made from (in-toto's ResourceDescriptor).

    :param git: a commit's id.
    :param annotations: what else identifies it.
    """
    digest = {"sha256": sha256} if sha256 else {"gitCommit": git} if git else {}
    return {
        **({"name": name} if name else {}),
        "uri": uri,
        **({"digest": digest} if digest else {}),
        **({"annotations": annotations} if annotations else {}),
    }


def provenance(
    build_type: str,
    *,
    external: Mapping[str, object],
    internal: Mapping[str, object],
    dependencies: Sequence[Mapping[str, object]],
) -> dict[str, object]:
    """SLSA's provenance predicate.

    :param build_type: what sort of making it was, a URI.
    :param external: what the user asked for.
    :param internal: what kollarm made of it.
    """
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "buildDefinition": {
            "buildType": build_type,
            "externalParameters": dict(external),
            "internalParameters": dict(internal),
            "resolvedDependencies": [dict(one) for one in dependencies],
        },
        "runDetails": {
            "builder": {"id": BUILDER, "version": {"kollarm": __version__}},
            "metadata": {"finishedOn": when},
        },
    }


def finished(document: Mapping[str, Any]) -> str:
    """When the thing that a statement of provenance is about was made; empty if it doesn't say."""
    part: Any = document
    for name in ("predicate", "runDetails", "metadata", "finishedOn"):
        part = part.get(name) if isinstance(part, dict) else None
    return part if isinstance(part, str) else ""
