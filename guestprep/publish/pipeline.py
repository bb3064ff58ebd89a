"""Publishing from end to end: look at the file and the cloud, decide, do, read back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ConfigError
from core.suggest import nearest_or_known
from guestprep.publish import image_file, properties, raw_file, retention, run_marker
from guestprep.publish.cloud import Glance
from guestprep.publish.execute import execute
from guestprep.publish.model import (
    OWNER_MARK,
    CloudFacts,
    LocalImage,
    PublishPlan,
    PublishRecord,
    PublishSpec,
)
from guestprep.publish.plan import decide
from guestprep.publish.schema import definitions, faults, missing

if TYPE_CHECKING:
    from guestprep.publish.signatures import ImageSigner


def plan(connection: Any, image: Path, spec: PublishSpec) -> PublishPlan:
    """What publishing would do. Nothing is changed.

    :param connection: of :func:`guestprep.publish.cloud.connect`.
    :raises ConfigError: the user's properties are wrong.
    :raises UnusableInput: the file is missing, damaged or not a disk.
    :raises GlanceError: the cloud can't be reached or doesn't accept the credentials.
    """
    local = image_file.read_facts(raw_file.made_of(image) if spec.raw else image)
    glance = Glance(connection)
    if spec.stores:
        _check_stores(glance, spec.stores)
    unchangeable = False
    if spec.check_properties:
        known = definitions(glance, every=bool(spec.properties))
        problems = [
            *(faults(spec.properties, known) if spec.properties else ()),
            *missing({*properties.attributes(spec, local), *properties.wanted(spec)}, known),
        ]
        unchangeable = any(definition.required for definition in known.values())
        if problems:
            raise ConfigError(f"the properties of {spec.name} are wrong", problems)
    facts = replace(look(glance, spec.name), unchangeable=unchangeable)
    local = with_digests(local, facts, ["sha512"] if spec.signer or unchangeable else ())
    if spec.members:
        there = (image.id for image in facts.images if image.same_content(local))
        shared = frozenset((image, one) for image in there for one in glance.members(image))
        facts = replace(facts, members=shared)
    if spec.signer is not None:
        spec = replace(
            spec, provenance={**spec.provenance, **_signature(spec.signer, local, facts)}
        )
    decided = decide(spec, local, facts)
    if decided.refusal is None:
        decided = _with_expiry(decided, connection, spec, facts)
    return replace(decided, cloud=glance.cloud)


def _with_expiry(
    decided: PublishPlan, connection: Any, spec: PublishSpec, facts: CloudFacts
) -> PublishPlan:
    """The plan, with what becomes of replaced images in time."""
    old = [
        image
        for image in retention.replaced(facts.images)
        if image.properties.get(OWNER_MARK) == spec.name
        and (facts.project is None or image.owner == facts.project)
        and image.id != decided.image_id
    ]
    now = datetime.now(UTC)
    if not retention.due(old, spec.keep, spec.days, now):
        return decided  # most often; all the cloud's servers need not be listed
    seen = retention.servers(connection)
    steps, notes = retention.decide(old, spec.keep, spec.days, seen, now)
    return replace(decided, expire=steps, kept=notes)


def _signature(signer: ImageSigner, local: LocalImage, facts: CloudFacts) -> dict[str, str]:
    """The properties that sign the file; those of an image in the cloud where they are good."""
    digest = local.digests["sha512"]
    there = (signer.signed(image.properties, digest) for image in facts.images)
    return next(filter(None, there), None) or signer.properties(digest)


def _check_stores(glance: Glance, wanted: Sequence[str]) -> None:
    there = glance.stores()
    for store in wanted:
        if store not in there:
            raise ConfigError(
                f"the cloud {glance.cloud} has no store {store!r}",
                hint=nearest_or_known(store, there) if there else "it has one store; remove stores",
            )


def publish(connection: Any, image: Path, spec: PublishSpec) -> PublishRecord:
    """Make the cloud have what is requested, and read it back.

    What is there already, by content and properties, is neither sent nor touched.

    :raises KollarmError: besides what :func:`plan` raises: refused, with the reason.
    """
    return execute(Glance(connection), plan(connection, image, spec))


def look(glance: Glance, name: str) -> CloudFacts:
    """What the cloud has under a name, or of ours for it."""
    listed = [*glance.find(name=name), *glance.find(**{OWNER_MARK: name})]
    by_id = {image.id: image for image in listed}
    images = tuple(sorted(by_id.values(), key=lambda image: (image.created_at, image.id)))
    under_way, abandoned = run_marker.sort(images)
    return CloudFacts(images, glance.project, under_way, abandoned)


def with_digests(local: LocalImage, facts: CloudFacts, wanted: Collection[str] = ()) -> LocalImage:
    """The file with the digests that a comparison needs: none, where no size is the same.

    :param wanted: algorithms that are needed in any case.

    An upload computes its own on the way, so that a new file is read only once.
    """
    algorithms = set(wanted) | {
        image.digest[0] for image in facts.images if image.size == local.size and image.digest
    }
    algorithms |= {image.sent[0] for image in facts.images if image.sent}
    return replace(local, digests=image_file.digests(local.path, algorithms))
