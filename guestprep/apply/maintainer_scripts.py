"""Maintainer scripts: which needn't run, because kollarm does their work or they do nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable

from core.errors import UnusableInput
from guestprep.archive.client import ArchiveClient
from guestprep.archive.deb import open_deb
from guestprep.plan.model import InstallStep

#: Packages whose scripts run depmod, make the initramfs and renew GRUB's menu: what the plan
#: does by itself, and what brings no script-worthy state of its own.
_KERNEL = re.compile(r"^linux-(image|modules|firmware|headers)(-|$)")

#: Packages whose scripts do nothing on a first installation that an image needs: the agent
#: is started by its own udev rule; glib's caches have entries from other packages only.
_INERT = re.compile(r"^(qemu-guest-agent|libglib2\.0-0(t64)?)$")

#: Lines without effect on a package that was never installed before.
_HARMLESS = re.compile(
    r"""^\s*(
        \#.*                                  # comments, debhelper's marks among them
      | set\ -[eux]+
      | exit\ 0
      | :
      | dpkg-maintscript-helper\ .*           # moves and removals of earlier versions' files
      | (if|elif)\ \[\ "\$1"\ =\ .*           # the usual questions for the script's argument
      | if\ .*&&.*dpkg-trigger.*
      | then | else | fi | esac | ;;
      | case\ "?\$1"?\ in
      | [a-z|*-]+\)
      | [a-z|*-]+\)\s*;;
      | ldconfig                              # the loader finds libraries without its cache
      | update-initramfs\ -u
    )?\s*$""",
    re.VERBOSE,
)


def known(package: str) -> bool:
    """Whether a package's scripts have no effect that isn't had otherwise, whatever is in them."""
    return bool(_KERNEL.match(package) or _INERT.match(package))


def unknown_effects(package: str, scripts: dict[str, bytes]) -> tuple[str, ...]:
    """Names of a package's installation scripts that do something unknown here.

    :param scripts: its control files by name.
    """
    if known(package):
        return ()
    return tuple(
        name
        for name in ("preinst", "postinst")
        if name in scripts and not _harmless(scripts[name].decode("utf-8", "replace"))
    )


def require_offline(steps: Iterable[InstallStep], client: ArchiveClient) -> None:
    """Refuse packages whose scripts must run in the guest, before anything is changed.

    :raises UnusableInput: naming all of them.
    """
    found = []
    for package in (entry for step in steps for entry in step.packages):
        if not known(package.name):
            scripts = unknown_effects(package.name, open_deb(client.fetch(package)).info)
            found += [f"{package.name}'s {script}" for script in scripts]
    if found:
        raise UnusableInput(
            f"packages can't be installed offline: {', '.join(found)} must run in the guest",
            hint="set `engine: guest` for this guest, leave the package out, or install it at the "
            "first start with cloud-init",
        )


def _harmless(script: str) -> bool:
    return all(_HARMLESS.match(line) for line in script.splitlines())
