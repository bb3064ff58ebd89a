"""Users and passwords in addresses."""

from __future__ import annotations

from urllib.parse import urlsplit


def has_user(url: str) -> bool:
    """Whether a URL names a user or a password (``https://USER:PASSWORD@HOST/…``)."""
    try:
        return "@" in urlsplit(url).netloc
    except ValueError:
        return "@" in url


def without_user(url: str) -> str:
    """A URL without its user and password, as it may be shown, logged and published."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.rpartition("@")[2]
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.netloc else url
