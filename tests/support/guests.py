"""Guests that are made of test images."""

from __future__ import annotations

from core.config.model import AptArchive, Guest, GuestSource
from testbed.guest_image import GuestImage


def guest_of(image: GuestImage, **changes: object) -> Guest:
    """A guest whose source is a test image, with the image's own archive.

    :param changes: fields that shall be otherwise.
    """
    made = Guest(
        name=image.layout,
        source=GuestSource(path=image.image, sha256=image.sha256),
        archives=[
            AptArchive(uri=f"file:{image.archive}", suite=image.suite, keyring=image.keyring)
        ],
    )
    return made.model_copy(update=changes)
