"""The images that this machine built and pushed, by their digests.

An image's key says what it should be made of, but whoever may push to the registry can put
that label on anything.  Its digest can't be imitated.
"""

from __future__ import annotations

import threading
from pathlib import Path

from core.remembered import read_table, write_table


class BuiltImages:
    """A file of the state folder.  Safe to use from several threads at once.

    For each reference the last image counts: an older one that somebody put back does not.

    :raises KollarmError: the file is damaged.
    """

    def __init__(self, state_dir: Path):
        self.path = state_dir / "built-images.json"
        self._lock = threading.Lock()
        self._images = read_table(
            self.path,
            ("digest", "id"),
            hint="remove it: with a signing key, images that no signed statement names "
            "are then built again",
        )

    def has_pushed(self, name: str, digest: str) -> bool:
        """Whether the last image pushed under a tag of a name has this digest.

        :param name: with the registry, without a tag.
        """
        return any(
            image["digest"] == digest and reference.rpartition(":")[0] == name
            for reference, image in self._images.items()
        )

    def has_built(self, engine_id: str) -> bool:
        """Whether an image in an engine is one that was built here."""
        return any(image["id"] == engine_id for image in self._images.values())

    def note(self, reference: str, *, digest: str, engine_id: str) -> None:
        """Remember an image that was just built and pushed.

        :param digest: of its manifest in the registry.
        :param engine_id: by which its engine knows it.
        """
        with self._lock:
            self._images[reference] = {"digest": digest, "id": engine_id}
            write_table(self.path, self._images)
