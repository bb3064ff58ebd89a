"""Properties that describe an image to people and tools, as SCS has standardised them.

https://docs.scs.community/standards/scs-0102-v1-image-metadata; OSISM's openstack-image-manager
writes the same ones.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from core.config.model import Guest
from core.config.publishing import Retention

#: MB of memory that an image needs where nothing else is said: SCS wants a number.
MIN_RAM = 512


def properties(guest: Guest, image: Path, user: str, replaced: str) -> dict[str, str]:
    """The properties; none where the guest's configuration has no ``description``.

    :param image: its prepared file, whose date is the build's unless another is configured.
    :param user: the user to log in as; empty where there is none.
    :param replaced: what becomes of an image when another takes its name (``cloud.replaced``).
    """
    told = guest.publish.description
    if told is None:
        return {}
    built = told.build_date or _date(image)
    source = told.source or (str(guest.source.url) if guest.source.url else None)
    values = {
        "image_build_date": built,
        "image_original_user": user or "none",
        "image_source": source or "private",
        "image_description": told.text or f"{guest.name}, prepared by kollarm",
        "os_purpose": told.purpose,
        "replace_frequency": told.replace_frequency,
        "provided_until": told.provided_until,
        "uuid_validity": told.uuid_validity or _validity(guest.publish.retention, replaced),
        "hotfix_hours": "" if told.hotfix_hours is None else str(told.hotfix_hours),
        "hw_rng_model": "virtio",
        "hypervisor_type": "qemu",
    }
    return {name: value for name, value in values.items() if value}


def _date(image: Path) -> str:
    return datetime.fromtimestamp(image.stat().st_mtime, UTC).strftime("%Y-%m-%d")


def _validity(retention: Retention, replaced: str) -> str:
    """How long a replaced image can be had by its id, as far as the configuration says it."""
    if replaced == "delete":
        return "none"
    if retention.keep is not None and retention.days is None:
        return f"last-{retention.keep}" if retention.keep else "none"
    return "notice"
