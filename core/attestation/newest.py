"""The newest signed index that this machine has seen under each name.

A registry, or whoever may push to it, can put an older index back together with its
signature, which is as good as ever.  Only memory tells that it is an older one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core.remembered import read_table, write_table


@dataclass(frozen=True)
class SeenIndex:
    """A signed index under a name."""

    digest: str
    finished: str
    """When its statement of provenance was made (RFC 3339, UTC)."""


class NewestIndices:
    """A file of the state folder.  Safe to use from several threads at once.

    :raises KollarmError: the file is damaged.
    """

    def __init__(self, state_dir: Path):
        self.path = state_dir / "newest-indices.json"
        self._lock = threading.Lock()
        table = read_table(
            self.path,
            ("digest", "finished"),
            hint="remove it: what was seen before is then forgotten",
        )
        self._seen = {name: SeenIndex(**fields) for name, fields in table.items()}

    def newer(self, name: str, index: SeenIndex) -> SeenIndex | None:
        """The newer index that was seen under a name; None if there was none.

        One index may have several statements, of different dates.
        """
        seen = self._seen.get(name)
        if seen is None or seen.digest == index.digest or seen.finished <= index.finished:
            return None
        return seen

    def note(self, name: str, index: SeenIndex, *, own: bool = False) -> None:
        """Remember an index, unless a newer one was seen.

        One whose date is in the future isn't remembered: by a clock that was wrong, every
        right one would look older.

        :param own: this machine wrote it just now, so that it is the newest by any clock.
        """
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with self._lock:
            known = self._seen.get(name) == index or self.newer(name, index) is not None
            if not own and (known or index.finished > now):
                return
            self._seen[name] = index
            write_table(self.path, {name: vars(one) for name, one in self._seen.items()})
