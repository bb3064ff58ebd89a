"""The finished file of a preparation: its source with the changes, compressed.

Most of a published image is compressed already, and stays as it is. Its file is then copied, and
QEMU puts the changed clusters alone into the copy, compressed. Every other image is written anew.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from core.errors import KollarmError
from core.run import BOUND, have, run
from guestprep.source import DiskFacts

_DAEMON = "qemu-storage-daemon"

#: What `qemu-img info` says of a file that `qemu-img convert` would write in the same way.
_USUAL = {
    "compat": "1.1",
    "lazy-refcounts": False,
    "refcount-bits": 16,
    "corrupt": False,
    "extended-l2": False,
}
_CLUSTER = 1 << 16

#: The least part of a source's clusters that must be compressed, for a copy to be.
_COMPRESSED = 0.9

#: The largest part of a copy that may belong to clusters which are no longer in use.
_WASTE = 0.05

#: Bytes that one command gives back.
_DISCARD = 1 << 30

#: Seconds for all changes of an image.
_LIMIT = 3600.0


def write(overlay: Path, source: DiskFacts, result: Path, compression: str, *, used: bool) -> None:
    """Write the content of an overlay to a new qcow2 file.

    :param source: the disk that it changes.
    :param compression: ``zlib``, ``zstd`` or ``none``.
    :param used: whether the source has what the changes remove and nobody may find: in a copy,
        removed clusters can be left where nothing refers to them.
    """
    if not used and compression == source.compression and can_be_copied(source):
        with contextlib.suppress(KollarmError):
            if write_changed_copy(overlay, source, result):
                return
        result.unlink(missing_ok=True)
    _convert(overlay, result, compression)


def can_be_copied(source: DiskFacts) -> bool:
    """Whether a disk's file is what `qemu-img convert -c` would make of its content."""
    if source.format != "qcow2" or not have(_DAEMON):
        return False
    info = _json("info", source.path)
    checked = _json("check", source.path)
    specific = info.get("format-specific", {}).get("data", {})
    plain = all(specific.get(key) == value for key, value in _USUAL.items())
    compressed = checked.get("compressed-clusters", 0)
    return (
        plain
        and info["cluster-size"] == _CLUSTER
        and not (info.get("snapshots") or specific.get("bitmaps") or info.get("dirty-flag"))
        and not checked.get("leaks")
        and compressed >= checked.get("allocated-clusters", 0) * _COMPRESSED > 0
    )


def write_changed_copy(overlay: Path, source: DiskFacts, result: Path) -> bool:
    """Copy the source and put an overlay's own clusters into the copy; whether it is of good size.

    :raises KollarmError: QEMU can't.
    """
    shutil.copyfile(source.path, result)
    size = _json("info", overlay)["virtual-size"]
    if size != source.virtual_size:
        run(["qemu-img", "resize", "-q", "-f", "qcow2", result, str(size)])
    # A compressed cluster can't take the place of one that isn't: all give up their places first.
    commands = "".join(
        f"discard {at} {min(_DISCARD, start + length - at)}\n"
        for start, length in _own_clusters(overlay)
        for at in range(start, start + length, _DISCARD)
    )
    run(["qemu-io", "-f", "qcow2", "-d", "unmap", result], stdin=commands.encode())
    _add_changes(overlay, source, result)
    facts = result.stat()
    return facts.st_size - facts.st_blocks * 512 <= facts.st_size * _WASTE


def _json(command: str, path: str | Path) -> dict[str, Any]:
    argv = ["qemu-img", command, "--output=json", "-f", "qcow2", path]
    found: dict[str, Any] = json.loads(run(argv, check=False).stdout or "{}")
    return found


def _own_clusters(overlay: Path) -> Iterator[tuple[int, int]]:
    """Start and length of what an overlay has itself."""
    for entry in json.loads(
        run(["qemu-img", "map", "--output=json", "-f", "qcow2", overlay]).stdout
    ):
        if entry["depth"] == 0 and entry.get("present", True):
            yield entry["start"], entry["length"]


def _add_changes(overlay: Path, source: DiskFacts, result: Path) -> None:
    """Put the overlay's own clusters into the result, compressed.

    :raises KollarmError: QEMU can't.
    """
    below = _disk(source.path, {"read-only": True})
    top = _disk(overlay, {"read-only": True, "backing": below, "node-name": "top"})
    goal = _disk(result, {"discard": "unmap", "node-name": "goal"})
    job: dict[str, object] = {
        "job-id": "changes",
        "device": "top",
        "target": "goal",
        "sync": "top",
        "compress": True,
    }
    commands: tuple[tuple[str, dict[str, object]], ...] = (
        ("qmp_capabilities", {}), ("blockdev-add", top), ("blockdev-add", goal),
        ("blockdev-backup", job),
    )  # fmt: skip
    words = [json.dumps({"execute": name, "arguments": given}) for name, given in commands]
    ends: list[Callable[[], None]] = []
    done: list[str] = []

    def follow(line: str) -> None:
        if '"error"' in line or "BLOCK_JOB_COMPLETED" in line:
            done.append(line)
            ends[0]()

    run(
        [*BOUND, _DAEMON, "--chardev", "stdio,id=c", "--monitor", "chardev=c"],
        stdin="\n".join(words).encode() + b"\n",
        timeout=_LIMIT,
        check=False,
        on_line=follow,
        on_start=ends.append,
    )
    if not done or '"error"' in done[0]:
        raise KollarmError(f"QEMU can't write the changed clusters: {''.join(done[:1])}")


def _disk(path: str | Path, more: dict[str, object]) -> dict[str, object]:
    file = {"driver": "file", "filename": str(path)}
    return {"driver": "qcow2", "file": file, **more}


def _convert(overlay: Path, result: Path, compression: str) -> None:
    options = ["-c"] if compression != "none" else []
    if compression == "zstd":
        options += ["-o", "compression_type=zstd"]
    # -W: clusters are written as they are compressed, not in their order, which takes a third
    # off.
    run(
        [
            *BOUND,
            *("qemu-img", "convert", "-f", "qcow2", "-O", "qcow2", *options, "-W", "-m", "8"),
            *(overlay, result),
        ]
    )
