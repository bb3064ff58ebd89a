"""kmod's indices of a kernel's modules, made on the host by kmod's own depmod."""

from __future__ import annotations

from pathlib import Path

from core.errors import KollarmError
from core.run import run, which
from guestprep.parse.modules import is_module, parse_dep

#: What depmod reads and doesn't write; the kernel's package brings them.
INPUTS = ("modules.order", "modules.builtin", "modules.builtin.modinfo")


def depmod(base: Path, version: str) -> dict[str, bytes]:
    """Make the indices of the modules below ``BASE/lib/modules/VERSION``.

    :returns: the content of each index by name (``modules.dep``, ``modules.dep.bin`` …).
    :raises CommandError: depmod failed or isn't installed.
    """
    folder = base / "lib" / "modules" / version
    run([which("depmod") or "depmod", "-b", base, "--", version], hint="install the package kmod")
    known = len(parse_dep((folder / "modules.dep").read_text("utf-8", "surrogateescape")))
    there = sum(1 for path in folder.rglob("*.ko*") if is_module(path.name))
    if known < there:
        raise KollarmError(
            f"this machine's depmod could read {known} of kernel {version}'s {there} modules",
            hint="modules compressed with zstd need kmod 28 or newer, built with zstd "
            "(depmod -V shows +ZSTD)",
        )
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.glob("modules.*"))
        if path.name not in INPUTS and path.is_file()
    }
