"""Selecting guests of a configuration, and the specs of their publishing."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from core.config.base import Architecture
from core.config.model import Config, Guest, GuestSource
from core.config.publishing import ImageSigning
from core.errors import ConfigError
from core.suggest import nearest_or_known
from guestprep import publish
from guestprep.attestation import provenance
from guestprep.inspect import Identity
from guestprep.publish import description
from guestprep.publish.raw_file import raw_path
from guestprep.record import PreparationRecord

if TYPE_CHECKING:
    from guestprep.publish.signatures import ImageSigner

#: Suffixes that only image files have.
_SUFFIXES = (".qcow2", ".img", ".raw")


def choose(config: Config, names: Sequence[str]) -> list[Guest]:
    """The guests with these names; all guests if there are no names.

    :raises ConfigError: the configuration has no guests, or none with such a name.
    """
    if not config.guests:
        raise ConfigError(
            "the configuration has no guests", hint="add a guests: section, see docs/guests.md"
        )
    known = {guest.name: guest for guest in config.guests}
    for name in names:
        if name not in known:
            raise ConfigError(
                f"the configuration has no guest {name!r}",
                hint=nearest_or_known(name, known),
            )
    return [known[name] for name in names] if names else list(config.guests)


def is_path(word: str) -> bool:
    """Whether a word names an image file rather than a guest of the configuration."""
    path = Path(word)
    return path.is_file() or "/" in word or path.suffix in _SUFFIXES


def output(config: Config, guest: Guest) -> Path:
    """The path of a guest's prepared image."""
    return config.state_dir / "guests" / f"{guest.name}.qcow2"


def of_file(
    image: Path, name: str | None = None, architecture: Architecture = Architecture.AARCH64
) -> Guest:
    """A guest for an image file that is not in the configuration.

    :param name: the image's name in Glance; default: the file's, without its suffix.
    """
    source = GuestSource(path=image)
    return Guest(name=name or image.stem, source=source, architecture=architecture)


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
