"""Carrying out a plan to publish. Whatever happens, the image that has the name keeps it until
another, checked one can take it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from core import progress
from core.errors import KollarmError
from guestprep.publish import image_file, run_marker
from guestprep.publish.cloud import Glance, GlanceError
from guestprep.publish.expiry import Expiry, ExpiryAction
from guestprep.publish.model import (
    CONTENT,
    PROTECTED,
    RUN_MARK,
    SUCCESSOR,
    Method,
    PropertyChange,
    PublishAction,
    PublishPlan,
    PublishRecord,
    RemoteImage,
    Replaced,
)
from guestprep.publish.plan import changes
from guestprep.publish.signature_names import SIGNATURE
from guestprep.publish.transfer import choose, copy_to, transfer

#: Uploads tried before giving up, and seconds between them.
PAUSES = (2.0, 10.0)

#: Statuses of a cloud that doesn't allow a way of uploading (its policy, its proxy).
NOT_OFFERED = (403, 404, 405)


def execute(glance: Glance, plan: PublishPlan) -> PublishRecord:
    """Do what a plan says and read the outcome back.

    :raises KollarmError: the plan is a refusal, or what Glance has afterwards isn't
        what was wanted.
    """
    started = time.monotonic()
    if plan.refusal is not None:
        raise KollarmError(
            f"{plan.name} is not published: {'; '.join(plan.reasons)}", hint=plan.refusal.remedy
        )
    for note in plan.notes:
        progress.current().warn(note)
    removed = tuple(image_id for image_id in plan.remove if _discard(glance, image_id))
    sent = 0
    for image_id in () if plan.unchangeable else plan.retire:
        _prove_ours(glance, image_id)
    if plan.action in {PublishAction.UPLOAD, PublishAction.REPLACE}:
        image, sent = _upload(glance, plan)
    else:
        assert plan.image_id is not None
        image = glance.get(plan.image_id)
        if plan.copies:
            with progress.current().step(f"copy {plan.name} to {', '.join(plan.copies)}") as step:
                image = copy_to(glance, image, plan.copies, step)
    if todo := changes(image, plan.attributes, plan.properties):
        image = glance.change(image.id, todo)
    for project in plan.members:
        glance.share(image.id, project)
    retired = tuple(_retire(glance, old, image.id, plan) for old in plan.retire)
    final = glance.get(image.id)
    _check(final, plan)
    expired = tuple(one for one in plan.expire if _expire(glance, one))
    return PublishRecord(
        name=plan.name,
        action=plan.action,
        image_id=final.id,
        status=final.status,
        size=final.size or 0,
        digest=":".join(final.digest or final.sent or ()),
        visibility=final.visibility,
        properties=dict(final.properties),
        changes=plan.changes,
        retired=retired,
        removed=removed,
        sent=sent,
        seconds=round(time.monotonic() - started, 1),
        stores=tuple(sorted(final.stores)),
        expired=expired,
        cloud=plan.cloud,
    )


def _prove_ours(glance: Glance, image_id: str) -> None:
    """Check that an image may be changed, before anything is sent: write a value it already has.

    :raises GlanceError: it belongs to another project.
    """
    old = glance.get(image_id)
    glance.change(image_id, [PropertyChange("min_ram", old.min_ram, old.min_ram)])


def _upload(glance: Glance, plan: PublishPlan) -> tuple[RemoteImage, int]:
    """Upload beside whatever is there, hidden, and check it; try again where that may help.

    :returns: the image, and the number of bytes sent for it.
    """
    methods = choose(plan.method, glance.import_methods, plan.source_url)
    method = next(methods)
    pauses = list(PAUSES)
    while True:
        try:
            return _attempt(glance, plan, method)
        except GlanceError as error:
            if error.status in NOT_OFFERED and (another := next(methods, None)) is not None:
                method = another
            elif error.passing and pauses:
                pause = pauses.pop(0)
                progress.current().warn(f"{error.message}; trying again in {pause:.0f} s")
                time.sleep(pause)
            else:
                raise


def _attempt(glance: Glance, plan: PublishPlan, method: Method) -> tuple[RemoteImage, int]:
    """One upload. On any failure, Ctrl-C included, its record is removed again."""
    what = f"upload {plan.name} ({progress.size(plan.local.size)})"
    with progress.current().step(what) as step:
        record = glance.create(
            _initial(plan),
            {**plan.properties, **_noted(plan), RUN_MARK: run_marker.mine()},
            hidden=not plan.unchangeable,
        )
        try:
            digest = transfer(glance, record, plan, method, step)
            image = glance.get(record.id)
            if image.status != "active":
                raise GlanceError(f"the image {image.id} is {image.status} after its upload")
            if _comparable(image, plan):
                _check_content(image, plan, digest)
            else:
                image = _note_content(glance, image, plan, digest)
            # Here, since a cloud that forbids copying may allow an import into several stores.
            image = copy_to(glance, image, plan.stores, step)
            return image, plan.local.size if digest else 0
        except BaseException:
            _discard(glance, record.id)
            raise


def _initial(plan: PublishPlan) -> dict[str, object]:
    """The attributes of a new record: what is protected could not be removed after a failure."""
    return {**plan.attributes, "protected": plan.unchangeable and plan.attributes["protected"]}


def _noted(plan: PublishPlan) -> dict[str, str]:
    """What is sent, noted from the start where it can't be noted afterwards."""
    return {CONTENT: f"sha512:{plan.local.digests['sha512']}"} if plan.unchangeable else {}


def _discard(glance: Glance, image_id: str) -> bool:
    """Remove a half-uploaded image; the next run removes what can't be removed now.

    Glance answers 500 while it notices by itself that an upload was cut off.
    """
    for pause in (0.5, 1.0, 2.0, 4.0, 0.0):
        try:
            glance.delete(image_id)
            return True
        except GlanceError as error:
            if pause and error.status is not None and error.passing:
                time.sleep(pause)
                continue
            progress.current().warn(
                f"the unfinished image {image_id} is left in Glance for the next run to remove: "
                f"{error.message}"
            )
            break
    return False


def _comparable(image: RemoteImage, plan: PublishPlan) -> bool:
    """Whether Glance's record tells if it has the bytes of the file.

    A cloud may convert what is imported (Glance's plugin image_conversion, usual with Ceph), and
    some compute no digests.
    """
    return image.digest is not None and image.disk_format == plan.local.disk_format


def _note_content(
    glance: Glance, image: RemoteImage, plan: PublishPlan, sha512: str | None
) -> RemoteImage:
    """Note what was sent, so that later runs know the image again.

    :raises KollarmError: not even its size fits.
    """
    if image.disk_format != plan.local.disk_format and SIGNATURE in plan.properties:
        raise KollarmError(
            f"the cloud converts images to {image.disk_format}: the signature of {plan.name} is of "
            "other bytes, and Nova would refuse it",
            hint="set publish.format of the guest to raw, or remove cloud.signing",
        )
    if image.disk_format != plan.local.disk_format:
        progress.current().say(
            f"the cloud converted {plan.name} from {plan.local.disk_format} to {image.disk_format}"
        )
    elif image.size != plan.local.size:
        raise KollarmError(
            f"the image {image.id} has {image.size} bytes, not {plan.local.size}: it is removed",
            hint="was the file written to during the upload?",
        )
    else:
        progress.current().warn(
            f"the cloud computes no digests: only the size of {plan.name} was compared"
        )
    if plan.unchangeable:
        return image
    value = sha512 or image_file.digests(plan.local.path, ["sha512"])["sha512"]
    return glance.change(image.id, [PropertyChange(CONTENT, None, f"sha512:{value}")])


def _check_content(image: RemoteImage, plan: PublishPlan, sha512: str | None) -> None:
    """Check that Glance has the bytes of the file.

    :param sha512: of the bytes that were sent, if this process sent them.
    """
    assert image.digest is not None
    algorithm, value = image.digest
    if sha512 is not None and algorithm == "sha512":
        expected = sha512
    else:  # Glance computes another one, or fetched the content by itself.
        expected = image_file.digests(plan.local.path, [algorithm])[algorithm]
    if image.size != plan.local.size or value != expected:
        raise KollarmError(
            f"the image {image.id} has {image.size} bytes with {algorithm} {value}, not "
            f"{plan.local.size} with {expected}: it is removed",
            hint="was the file written to during the upload?",
        )


def _check(image: RemoteImage, plan: PublishPlan) -> None:
    """Check that the published image has every attribute and property that was planned."""
    wrong = [str(change) for change in changes(image, plan.attributes, plan.properties)]
    if image.status != "active":
        wrong.insert(0, f"status is {image.status}")
    if wrong:
        raise KollarmError(
            f"Glance did not accept every property of {plan.name} (image {image.id})",
            hint="does the cloud protect properties? ask its administrator about: "
            + "; ".join(wrong),
        )


def _retire(glance: Glance, image_id: str, successor: str, plan: PublishPlan) -> str:
    """Take the name from the image that had it; only ever called with its successor in place."""
    if plan.replaced is Replaced.DELETE:
        try:
            _unprotect(glance, image_id)
            glance.delete(image_id)
            return image_id
        except GlanceError as error:
            if error.status not in (403, 409):  # protected, or in use by the store's clones
                raise
            progress.current().warn(f"{error.message}; it is hidden instead")
    old = glance.get(image_id)
    mark = PropertyChange(SUCCESSOR, old.properties.get(SUCCESSOR), successor)
    if plan.replaced is Replaced.RENAME:
        until = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        glance.change(
            image_id, [mark, PropertyChange("name", old.name, f"{old.name} (until {until})")]
        )
    else:
        glance.change(image_id, [mark, PropertyChange("os_hidden", old.hidden, True)])
    return image_id


def _expire(glance: Glance, step: Expiry) -> bool:
    """Deactivate or delete a replaced image; return whether the cloud let it happen."""
    try:
        if step.action is ExpiryAction.DEACTIVATE:
            glance.deactivate(step.image_id)
        else:
            _unprotect(glance, step.image_id)
            glance.delete(step.image_id)
    except GlanceError as error:
        # no such right, or protected, or in use by the store's clones
        if error.status not in (403, 404, 409):
            raise
        progress.current().warn(f"{error.message}; it stays")
        return False
    return True


def _unprotect(glance: Glance, image_id: str) -> None:
    """Lift the protection that kollarm gave an image; an administrator's own stays."""
    image = glance.get(image_id)
    if image.protected and PROTECTED in image.managed:
        glance.change(image_id, [PropertyChange(PROTECTED, True, False)])
