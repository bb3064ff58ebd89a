"""What to publish of a guest, with its metadata.

Separate from :mod:`kollarm.guests.selection`, as it loads openstacksdk, which takes a second.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from core.config.model import Config, Guest
from core.config.publishing import ImageSigning
from guestprep import publish
from guestprep.attestation import provenance
from guestprep.inspect import Identity
from guestprep.publish import description
from guestprep.publish.raw_file import raw_path
from guestprep.record import PreparationRecord

if TYPE_CHECKING:
    from guestprep.publish.signatures import ImageSigner


def publish_spec(
    config: Config,
    guest: Guest,
    image: Path,
    system: Identity | None,
    prepared: PreparationRecord | None = None,
) -> publish.PublishSpec:
    """What to publish, with its metadata.

    :param system: the system on the image; None if it was not examined.
    :param prepared: the record of its preparation; None if kollarm did not prepare it.
    """
    served_at, kept = config.cloud.served_at, guest.publish
    raw = kept.format == "raw"
    file = raw_path(image) if raw else image
    user = guest.admin_user or (system.admin_user if system else "")
    # Nova gives a guest the agent's channel only if the image has this property.
    agent = {"hw_qemu_guest_agent": "yes"} if guest.guest_agent else {}
    firmware = publish.firmware(system) if system else {}
    described = description.properties(guest, image, user, config.cloud.replaced)
    signing = config.cloud.signing
    return publish.PublishSpec(
        name=guest.name,
        os_distro=(system.distribution or None) if system else None,
        os_version=(system.release or None) if system else None,
        os_admin_user=user or None,
        min_disk=guest.min_disk,
        min_ram=guest.min_ram or (description.MIN_RAM if described else 0),
        architecture=system.architecture if system else guest.architecture,
        properties=agent | firmware | described | guest.properties,
        provenance=provenance.properties(prepared, image) if prepared else {},
        visibility=guest.visibility,
        replaced=publish.Replaced(config.cloud.replaced),
        method=publish.Method(config.cloud.method),
        source_url=f"{str(served_at).rstrip('/')}/{quote(file.name)}" if served_at else None,
        check_properties=config.cloud.check_properties,
        raw=raw,
        stores=tuple(kept.stores),
        members=tuple(kept.members),
        protected=kept.protected,
        tags=tuple(kept.tags),
        keep=kept.retention.keep,
        days=kept.retention.days,
        signer=_signer(signing) if signing else None,
    )


def _signer(signing: ImageSigning) -> ImageSigner:
    # Its libraries take memory, which only who signs should need.
    signatures = import_module("guestprep.publish.signatures")
    signer: ImageSigner = signatures.read_signer(signing.key, signing.certificate)
    return signer
