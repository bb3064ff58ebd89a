"""Deciding what publishing a guest amounts to: a pure function of three facts.

An image is *ours* when it belongs to the connection's project and bears kollarm's
mark for that guest's name; the mark is set when the record is created, before the
first byte is sent.  New images are uploaded hidden and lose that only when they
were checked, so an active hidden image of ours with the right content is one that
a run didn't get to finish (or one that was replaced and is wanted again): it needs
no upload.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from guestprep.publish import properties
from guestprep.publish.model import (
    OWNER_MARK,
    PROTECTED,
    RUN_MARK,
    SUCCESSOR,
    AttributeValue,
    CloudFacts,
    LocalImage,
    PropertyChange,
    PublishAction,
    PublishPlan,
    PublishSpec,
    RemoteImage,
    Replaced,
)
from guestprep.publish.refusal import Refusal

#: States of an image whose content isn't all there.
UNFINISHED = frozenset({"queued", "saving", "uploading", "importing"})


def decide(spec: PublishSpec, local: LocalImage, facts: CloudFacts) -> PublishPlan:
    """Decide what has to be done so that the cloud has what is requested.

    ``local`` must carry the digest of each algorithm that an image of its size in
    ``facts`` has.
    """
    attributes, wanted = properties.attributes(spec, local), properties.wanted(spec)
    ours = [
        image
        for image in facts.images
        if image.properties.get(OWNER_MARK) == spec.name
        and not image.snapshot
        and (facts.project is None or image.owner == facts.project)
    ]
    present = [
        image
        for image in facts.images
        if image.name == spec.name
        and not image.hidden
        and not (image in ours and image.status in UNFINISHED)
    ]
    spare = [i for i in ours if i.hidden and i.status == "active" and i.same_content(local)]
    remove = tuple(
        image.id for image in ours if image.status in UNFINISHED and image.id in facts.abandoned
    )

    known = facts.abandoned | facts.under_way
    strays = tuple(i.id for i in ours if i.status in UNFINISHED and i.id not in known)

    base = PublishPlan(
        name=spec.name,
        action=PublishAction.UPLOAD,
        reasons=(f"the cloud has no image named {spec.name}",),
        local=local,
        attributes=attributes,
        properties=wanted,
        replaced=spec.replaced,
        method=spec.method,
        source_url=spec.source_url,
        remove=remove,
        strays=strays,
        stores=spec.stores,
        members=spec.members,
        unchangeable=facts.unchangeable,
    )
    same = [image for image in present if image.same_content(local)]
    if facts.unchangeable:  # an image that is not as it should be can only be replaced
        spare = []
        same = [image for image in same if not _changed(image, attributes, wanted)]
    others = [image for image in present if image not in same[:1]]
    if refused := _refusal(spec, present, ours, others, facts):
        refusal, reason = refused
        return replace(
            base, action=PublishAction.REFUSE, refusal=refusal, reasons=(reason,), remove=()
        )
    if same:
        base = _extent(base, same[0], facts)
        return _settle(base, same[0], others, made_by_us=same[0] in ours)
    if spare:
        why = "an image of ours with this content is there, hidden: no upload is needed"
        base = _extent(base, spare[0], facts)
        return _about(base, spare[0], PublishAction.FINISH, why, others)
    if others:
        why = _difference(others[0], local)
        retire = tuple(image.id for image in others)
        return replace(base, action=PublishAction.REPLACE, reasons=(why,), retire=retire)
    return base


def _extent(base: PublishPlan, image: RemoteImage, facts: CloudFacts) -> PublishPlan:
    """The stores and projects that an image which is there does not reach yet."""
    return replace(
        base,
        copies=tuple(store for store in base.stores if store not in image.stores),
        members=tuple(one for one in base.members if (image.id, one) not in facts.members),
    )


def _settle(
    base: PublishPlan, image: RemoteImage, others: Sequence[RemoteImage], *, made_by_us: bool
) -> PublishPlan:
    """The content is there under its name: do its attributes and properties need a change?"""
    if not made_by_us:
        why = "it has the requested content, and adopting is allowed"
        return _about(base, image, PublishAction.ADOPT, why)
    if others:
        why = "a run that was interrupted left the replaced image under the name as well"
        return _about(base, image, PublishAction.FINISH, why, others)
    if changes(image, base.attributes, base.properties):
        why = "the content is the same, its properties differ"
        return _about(base, image, PublishAction.UPDATE, why)
    if base.copies or base.members:
        why = "content and properties are as requested; it is not yet everywhere it should be"
        return _about(base, image, PublishAction.UPDATE, why)
    return _about(base, image, PublishAction.KEEP, "content and properties are as requested")


def _about(
    base: PublishPlan,
    image: RemoteImage,
    action: PublishAction,
    why: str,
    retire: Sequence[RemoteImage] = (),
) -> PublishPlan:
    """The plan for an image whose content is there already."""
    return replace(
        base,
        action=action,
        reasons=(why,),
        image_id=image.id,
        changes=changes(image, base.attributes, base.properties),
        retire=tuple(old.id for old in retire),
    )


def changes(
    image: RemoteImage, attributes: Mapping[str, AttributeValue], wanted: Mapping[str, str]
) -> tuple[PropertyChange, ...]:
    """What an image's record is missing, and what kollarm once set and is no longer requested."""
    current: dict[str, AttributeValue | None] = {
        "name": image.name,
        "visibility": image.visibility,
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
    }
    result = [
        PropertyChange(name, old, attributes[name])
        for name, old in current.items()
        if old != attributes[name]
    ]
    tags = attributes["tags"]
    if isinstance(tags, tuple) and not image.tags.issuperset(tags):
        both = image.tags.union(tags)
        result.append(PropertyChange("tags", tuple(sorted(image.tags)), tuple(sorted(both))))
    protect = bool(attributes["protected"])
    # What an administrator protected by hand stays so.
    if protect != image.protected and (protect or PROTECTED in image.managed):
        result.append(PropertyChange(PROTECTED, image.protected, protect))
    result += [
        PropertyChange(name, image.properties.get(name), value)
        for name, value in wanted.items()
        if image.properties.get(name) != value
    ]
    once_set = {*image.managed, RUN_MARK, SUCCESSOR}
    result += [
        PropertyChange(name, image.properties[name], None)
        for name in sorted(once_set - set(wanted))
        if name in image.properties
    ]
    if image.hidden:
        # Last: whoever lists images sees it only with all else in place.
        result.append(PropertyChange("os_hidden", True, False))
    return tuple(result)


def _changed(
    image: RemoteImage, attributes: Mapping[str, AttributeValue], wanted: Mapping[str, str]
) -> bool:
    """Whether anything has to change for which Glance looks for required properties: a removal
    is not looked at."""
    return any(change.new is not None for change in changes(image, attributes, wanted))


def _refusal(
    spec: PublishSpec,
    present: Sequence[RemoteImage],
    ours: Sequence[RemoteImage],
    others: Sequence[RemoteImage],
    facts: CloudFacts,
) -> tuple[Refusal, str] | None:
    """Why nothing can be done, in general and for a person; None where something can.

    :param others: images that would lose the name.
    """
    busy = [image for image in ours if image.id in facts.under_way]
    if busy:
        return (
            Refusal.UPLOADING,
            f"another run on this machine is uploading it right now (image {busy[0].id})",
        )
    foreign = [image for image in present if image not in ours]
    if len(present) > 1 and foreign:
        ids = ", ".join(f"{image.id} ({image.status})" for image in present)
        return Refusal.SEVERAL, f"the cloud has {len(present)} images named {spec.name}: {ids}"
    if foreign and not spec.adopt:
        other = facts.project is not None and foreign[0].owner != facts.project
        whose = "it belongs to another project" if other else "kollarm didn't make it"
        return (
            Refusal.OTHER_PROJECT if other else Refusal.FOREIGN,
            f"the image {foreign[0].id} has that name, and {whose} "
            f"(made {foreign[0].created_at}, project {foreign[0].owner})",
        )
    deactivated = [image for image in present if image.status == "deactivated"]
    if deactivated:
        return (
            Refusal.DEACTIVATED,
            f"the image {deactivated[0].id} was deactivated: nobody can start a server of it",
        )
    if facts.unchangeable and others and spec.replaced is not Replaced.DELETE:
        return (
            Refusal.UNCHANGEABLE,
            "the cloud requires properties of images, and its Glance then lets nobody "
            f"{spec.replaced} or change the image {others[0].id}, which has the name",
        )
    return None


def _difference(image: RemoteImage, local: LocalImage) -> str:
    if image.same_content(local):
        return f"{image.id} has other properties, which this cloud lets nobody change"
    if image.sent is not None:
        return f"{image.id} was made of another file"
    if image.disk_format != local.disk_format:
        return f"{image.id} is {image.disk_format}, the file is {local.disk_format}"
    if image.size != local.size:
        return f"{image.id} has {image.size} bytes, the file has {local.size}"
    return f"{image.id} has other content of the same size"
