"""git, run with addresses and names that somebody wrote into a configuration or an overlay.

None of them is taken for an option, no transport runs a command of its own choice, and nothing
asks for a password.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from core.addresses import has_user, without_user
from core.errors import KollarmError
from core.run import Completed, run

#: The transports that git may use (git(1), GIT_ALLOW_PROTOCOL); ``ext`` would run any command.
PROTOCOLS = "file:git:http:https:ssh"


class GitAddressError(KollarmError, ValueError):
    """An address of a repository, or a name in one, that isn't handed to git."""


def git(*words: str | Path, timeout: float | None = None) -> Completed:
    """Run git; a ``--`` comes before words of somebody else's.

    :param timeout: seconds.
    :raises CommandError: it failed, or took longer.
    """
    environment = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": PROTOCOLS}
    return run(["git", *words], env=environment, timeout=timeout)


def check_address(address: str) -> None:
    """Refuse what git would take for an option or a command, and passwords.

    An address is an argument of git, which every user of the machine can see, and part of what
    is recorded about an image.

    :raises GitAddressError: the address is refused.
    """
    shown = without_user(address)
    scheme, separator, _ = address.partition("://")
    if not address or address.startswith("-") or re.search(r"[\x00-\x1f\x7f]", address):
        raise GitAddressError(
            f"{shown!r} is not the address of a repository", hint="use a URL or a path"
        )
    if re.match(r"[\w+.-]+::", address) or (separator and scheme not in PROTOCOLS.split(":")):
        raise GitAddressError(
            f"{shown!r} names a transport that isn't used",
            hint="use https://, ssh:// or another of git's own",
        )
    if separator and has_user(address) and (scheme != "ssh" or urlsplit(address).password):
        raise GitAddressError(
            f"{shown!r}: the address has a user or a password in it, which everybody on this "
            "machine could see",
            hint="write it without, and give them to a credential helper of git",
        )


def check_reference(name: str) -> None:
    """Refuse a branch, tag or commit that git would take for an option.

    :raises GitAddressError: it is refused.
    """
    if not re.fullmatch(r"(?!-)[^\s\x00-\x1f\x7f:?*\[\\]+", name):  # git-check-ref-format(1)
        raise GitAddressError(f"{name!r} is not the name of a branch, tag or commit")
