"""Removing an installed kernel package, as ``dpkg --purge`` does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_INFO = "/var/lib/dpkg/info"


def package_paths(listed: str, versions: Iterable[str]) -> list[str]:
    """What a kernel package's list names, but for the modules and for folders with content.

    :param listed: the package's list of paths from dpkg's database; a path in it that none
        goes below may still be a folder, which other packages may use.
    :param versions: the kernels', whose folders of modules go as a whole.
    """
    paths = [line for line in listed.splitlines() if line.startswith("/") and line != "/."]
    parents = {path.rpartition("/")[0] for path in paths}
    names = "|".join(map(re.escape, versions))
    modules = re.compile(rf"^(/usr)?/lib/modules/({names})(/|$)")
    return [path for path in paths if path not in parents and not modules.match(path)]


def generated_paths(package: str, versions: Iterable[str]) -> list[str]:
    """What belongs to kernels' packages alone, with all below it."""
    pairs = [(f"/lib/modules/{version}", f"/boot/initrd.img-{version}") for version in versions]
    return [*(path for pair in pairs for path in pair), f"/usr/share/doc/{package}"]


def dpkg_record_paths(package: str, names: Iterable[str]) -> list[str]:
    """dpkg's own files of a package, among the names in its info folder."""
    return [
        f"{_INFO}/{name}"
        for name in names
        if re.match(rf"^{re.escape(package)}(:[a-z0-9]+)?\.", name)
    ]


def remove_paragraphs(status: str, packages: Sequence[str]) -> str:
    """dpkg's status without some packages' paragraphs."""
    kept = [
        paragraph
        for paragraph in status.split("\n\n")
        if not any(
            re.search(rf"^Package: {re.escape(name)}$", paragraph, re.MULTILINE)
            for name in packages
        )
    ]
    return "\n\n".join(kept)
