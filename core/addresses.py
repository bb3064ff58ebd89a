"""Users and passwords in addresses."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

#: User and password of a URL within a text; a name alone is a secret only for the web's servers
#: (a token), not in ssh://root@host.
_SECRET = re.compile(
    r"""(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<user>[^\s/:@"'<>]*):[^\s/"'<>]*@"""
    r"""|(?P<web>\bhttps?://)[^\s/:@"'<>]+@""",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """A text with the passwords and tokens of the URLs in it replaced by ``***``.

    >>> redacted("http_proxy=http://ann:secret@proxy:3128")
    'http_proxy=http://ann:***@proxy:3128'
    """

    def replacement(found: re.Match[str]) -> str:
        return f"{found['web']}***@" if found["web"] else f"{found['scheme']}{found['user']}:***@"

    return _SECRET.sub(replacement, text)


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
