"""Where Unix sockets can be: their paths are limited."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

#: Bytes that a socket's path may have (``sun_path`` in unix(7)), without the NUL at its end.
PATH_LIMIT = 107

#: Bytes that are left for the temporary folder's own name and the socket's.
_ROOM = 50


def temporary_base() -> Path:
    """The folder in which to make temporary folders for sockets.

    It is that of all temporary files (``$TMPDIR``), or ``/tmp`` where a socket's path would
    become too long.
    """
    usual = Path(tempfile.gettempdir()).absolute()
    return usual if len(os.fsencode(usual)) <= PATH_LIMIT - _ROOM else Path("/tmp")
