"""in-toto statements with SLSA provenance.

Formats: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md and
https://slsa.dev/spec/v1.0/provenance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from core.version import __version__

STATEMENT = "https://in-toto.io/Statement/v1"
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


def is_about(document: Mapping[str, Any], sha256: str) -> bool:
    """Whether the thing that a statement is about has this digest."""
    subjects = document.get("subject")
    return isinstance(subjects, list) and any(
        isinstance(one, dict)
        and isinstance(one.get("digest"), dict)
        and one["digest"].get("sha256") == sha256
        for one in subjects
    )


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
