"""Names of Python packages."""

from __future__ import annotations

import re


def normalized(name: str) -> str:
    """A package's name as PyPI compares it.

    https://packaging.python.org/en/latest/specifications/name-normalization/
    """
    return re.sub(r"[-_.]+", "-", name).lower()
