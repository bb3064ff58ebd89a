"""Provenance and bill of materials of a prepared image: files beside it, Glance properties."""

from __future__ import annotations

import json
from pathlib import Path

from core import files
from core.attestation import spdx, statement
from core.attestation.spdx import BilledThing, BomPackage, OperatingSystem
from guestprep.plan.model import InstallStep
from guestprep.record import PreparationRecord

BUILD_TYPE = "urn:kollarm:guest-image:1"


def statement_path(output: Path) -> Path:
    """Where a result's provenance is."""
    return output.with_name(output.name + ".provenance.json")


def bill_path(output: Path) -> Path:
    """Where a result's bill of materials is."""
    return output.with_name(output.name + ".spdx.json")


def signature_path(output: Path) -> Path:
    """Where a result's signature is, in base64."""
    return output.with_name(output.name + ".sig")


def envelope_path(output: Path) -> Path:
    """Where a result's signed provenance is, a DSSE envelope."""
    return output.with_name(output.name + ".intoto.jsonl")


def provenance(record: PreparationRecord) -> dict[str, object]:
    """An in-toto statement about the prepared image."""
    system = _system(record)
    packages = [
        statement.dependency(
            BomPackage("deb", package.name, package.version, package.architecture).url(system),
            name=package.name,
            sha256=package.sha256,
        )
        for step in record.plan.steps_of(InstallStep)
        for package in step.packages
    ]
    source = statement.dependency(
        Path(record.source).as_uri(), name="source", sha256=record.source_sha256
    )
    return statement.statement(
        record.name,
        record.sha256,
        statement.PROVENANCE,
        statement.provenance(
            BUILD_TYPE,
            external={"name": record.name, "wishes": record.inputs["wishes"]},
            internal={
                "recipe": record.inputs["recipe"],
                "archives": record.inputs["archives"],
                "steps": [step.title for step in record.plan.steps],
            },
            dependencies=[source, *packages],
        ),
    )


def _system(record: PreparationRecord) -> OperatingSystem:
    return OperatingSystem(record.distribution, record.release)


def write(record: PreparationRecord, output: Path, status: str) -> None:
    """Write both files beside a result, and remove the signatures of an earlier one.

    :param status: the text of the result's dpkg status file.
    """
    listed = spdx.document(
        record.name,
        record.sha256,
        spdx.debian_packages(status),
        about=BilledThing.DISK,
        system=_system(record),
    )
    for path, document in (
        (bill_path(output), listed),
        (statement_path(output), provenance(record)),
    ):
        files.write(path, json.dumps(document, indent=1) + "\n")
    for path in (signature_path(output), envelope_path(output)):
        path.unlink(missing_ok=True)


def properties(record: PreparationRecord, output: Path) -> dict[str, str]:
    """Glance properties: what a result was made from, its digest, and its signature."""
    values = {
        "kollarm_source_sha256": record.source_sha256,
        "kollarm_image_sha256": record.sha256,
        "kollarm_recipe": str(record.inputs["recipe"]),
    }
    signature = signature_path(output)
    if signature.exists():
        values["kollarm_signature"] = signature.read_text(encoding="utf-8").strip()
    return values
