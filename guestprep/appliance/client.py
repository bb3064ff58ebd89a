"""The caller's side of the appliance: typed calls, each with a time limit."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from core.errors import KollarmError
from core.processes import runs_in_group
from guestprep import limits

log = logging.getLogger(__name__)

#: Seconds that any single call may take; far beyond what the slowest one needs under TCG.
CALL_LIMIT = 1800.0

#: What builds the appliance at a launch, if there is none yet; its time is bounded by
#: :data:`CALL_LIMIT` and not part of the launch's own, since it says nothing about the hypervisor.
_BUILDER = "supermin"

#: Seconds between two looks at what runs.
_LOOK = 1.0

#: Bytes to read in one message; libguestfs's messages end at 4 MiB.
_PIECE = 2 << 20

#: Bytes of the log's end that an error shows.
_LOG_TAIL = 4000

#: The program that holds the handle.
WORKER = Path(__file__).with_name("worker.py")

#: Seconds the worker has to close its handle when it is asked to end.
ENDING = 6.0


class ApplianceError(KollarmError):
    """The appliance could not be started, hung or ended by itself."""


class GuestCallError(KollarmError):
    """A call into the running appliance failed."""

    def __init__(self, method: str, message: str):
        super().__init__(f"libguestfs, {method}: {message.removeprefix(f'{method}: ')}")


class Appliance:
    """A libguestfs handle in a child process.

    Paths given to its methods are paths inside the guest (with what is mounted at ``/``);
    local files are :class:`~pathlib.Path`.  Every method raises :class:`GuestCallError`
    when libguestfs refuses, :class:`ApplianceError` when the appliance is gone.
    """

    def __init__(self, environment: Mapping[str, str] | None = None):
        # Short, as a socket's path may have no more than 107 bytes.
        self._total_read = 0
        self._folder = Path(tempfile.mkdtemp(prefix="kollarm-", dir="/tmp"))
        #: QEMU's control socket, where the launch asked for one.
        self.monitor = self._folder / "qmp"
        self._log = (self._folder / "log").open("w+b")
        held, self._lifeline = os.pipe()
        private = {"LIBGUESTFS_TMPDIR": str(self._folder), "XDG_RUNTIME_DIR": str(self._folder)}
        try:
            self._process = subprocess.Popen(
                # by its file: it imports nothing of ours, and nothing of the current folder
                [sys.executable, "-P", WORKER, str(held)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=dict(os.environ) | private | dict(environment or {}),
                pass_fds=(held,),
                start_new_session=True,
            )
        finally:
            os.close(held)

    def call(self, method: str, *args: object, limit: float = CALL_LIMIT, **kwargs: object) -> Any:
        """Any method of ``guestfs.GuestFS`` by name.

        :param limit: seconds after which the appliance is ended and an error raised; those in
            which the appliance is built aren't counted.
        """
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        if self._lifeline < 0:
            raise self._gone(method)
        started = time.monotonic()
        try:
            pickle.dump((method, args, kwargs), process.stdin)
            process.stdin.flush()
        except BrokenPipeError:
            raise self._gone(method) from None
        if not self._answers(method, limit):
            self.kill()
            raise ApplianceError(f"libguestfs, {method}: no answer after {limit:.0f} s")
        try:
            good, value = pickle.load(process.stdout)
        except (EOFError, pickle.UnpicklingError):
            raise self._gone(method) from None
        log.debug("%s %s: %.3f s", method, args[:1], time.monotonic() - started)
        if good:
            return value
        raise GuestCallError(method, cast(str, value))

    def _answers(self, method: str, limit: float) -> bool:
        """Wait for an answer."""
        answers, build = self._process.stdout, CALL_LIMIT if method == "launch" else 0.0
        assert answers is not None
        while limit > 0:
            wait = min(limit, _LOOK) if build > 0 else limit
            if select.select([answers], [], [], wait)[0]:
                return True
            if build > 0 and runs_in_group(self._process.pid, _BUILDER):
                build -= wait
            else:
                limit -= wait
        return False

    def _gone(self, method: str) -> ApplianceError:
        return ApplianceError(
            f"libguestfs, {method}: the appliance ended unexpectedly", details=self.log_tail()
        )

    def log_tail(self) -> str:
        """The end of what the worker and the hypervisor printed."""
        try:
            end = self._log.seek(0, os.SEEK_END)
            self._log.seek(max(0, end - _LOG_TAIL))
            return self._log.read().decode("utf-8", "replace").strip()
        except ValueError:  # closed
            return ""

    def shutdown(self) -> None:
        """Write everything back and end the virtual machine; errors of writing are raised."""
        self.call("shutdown")
        self.kill()

    def end(self) -> None:
        """End the worker from another thread: the call that waits for it fails."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the worker with the hypervisor, whatever they are doing; safe to repeat."""
        if self._lifeline < 0:
            return
        os.close(self._lifeline)
        self._lifeline = -1
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            process.wait(ENDING)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self._await_group()
            self._log.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _await_group(self) -> None:
        """Return when no process of the group is left (the hypervisor may outlive the worker)."""
        for _ in range(100):
            try:
                os.killpg(self._process.pid, 0)
            except (ProcessLookupError, PermissionError):
                return
            time.sleep(0.05)

    # -- disks and file systems ------------------------------------------------

    def partitions(self) -> list[str]:
        """The partitions' devices, in the order of their numbers."""
        return cast(list[str], self.call("list_partitions"))

    def devices(self) -> list[str]:
        """The whole disks' devices."""
        return cast(list[str], self.call("list_devices"))

    def block_id(self, device: str) -> dict[str, str]:
        """What ``blkid -p`` knows of a device: TYPE, LABEL, UUID, PART_ENTRY_TYPE …"""
        try:
            return cast(dict[str, str], self.call("blkid", device))
        except GuestCallError:
            return {}  # blkid fails on a device without any signature

    def mount(
        self, device: str, where: str = "/", *, writable: bool = False, options: str = ""
    ) -> None:
        """Mount a file system; a read-only mount doesn't replay the journal."""
        chosen = [option for option in ("" if writable else "ro", options) if option]
        self.call("mount_options", ",".join(chosen), device, where)

    def unmount_all(self) -> None:
        self.call("umount_all")

    def trim(self, where: str) -> None:
        """Give the blocks a mounted file system doesn't use back to the disk file."""
        self.call("fstrim", where)

    def filesystem_space(self, where: str) -> tuple[int, int]:
        """Bytes an ordinary user may still write to a mounted file system, and of the whole."""
        answer = cast(dict[str, int], self.call("statvfs", where))
        return answer["bavail"] * answer["frsize"], answer["blocks"] * answer["frsize"]

    # -- reading ---------------------------------------------------------------

    def is_file(self, path: str) -> bool:
        return bool(self.call("is_file", path, followsymlinks=True))

    def is_link(self, path: str) -> bool:
        """Whether a path is a symbolic link; libguestfs's own question takes ten times as long."""
        try:
            return stat.S_ISLNK(self.call("lstatns", path)["st_mode"])
        except GuestCallError:
            return False

    def list_directory(self, path: str) -> list[str]:
        """Names in a directory, sorted; empty when there is no such directory.

        :raises UnusableInput: it is larger than any directory.
        """
        try:
            limits.check(path, self._stat(path)["st_size"], limits.DIRECTORY)
            return sorted(cast(list[str], self.call("ls", path)))
        except GuestCallError:
            return []

    def _stat(self, path: str) -> dict[str, int]:
        """What stat(2) tells of what a path leads to."""
        return cast(dict[str, int], self.call("statns", path))

    def file_size(self, path: str) -> int:
        """A regular file's size in bytes; nothing else has one."""
        facts = self._stat(path)
        if not stat.S_ISREG(facts["st_mode"]):
            raise GuestCallError("read", f"{path} is not a regular file")
        return facts["st_size"]

    def read(self, path: str) -> bytes:
        """A file's content.

        libguestfs's own read_file copies through a temporary file, which takes fifty times
        as long as this for the small files that a guest is known by.

        :raises UnusableInput: it is larger than any such file (:mod:`guestprep.limits`).
        """
        left = self.file_size(path)
        limits.check(path, left, limits.most(path))
        self._total_read += left
        limits.check("all that is read of the image", self._total_read, limits.ALL_FILES)
        pieces: list[bytes] = []
        at = 0
        while at < left:
            piece = self.read_head(path, min(_PIECE, left - at), at)
            if not piece:
                break
            pieces.append(piece)
            at += len(piece)
        return b"".join(pieces)

    def read_head(self, path: str, size: int, offset: int = 0) -> bytes:
        """Some bytes of a file, fewer at its end."""
        return cast(bytes, self.call("pread", path, size, offset))

    def download(self, path: str, local: Path, *, at_most: int) -> None:
        """Copy a file to a local one.

        :raises UnusableInput: it has more than *at_most* bytes.
        """
        limits.check(path, self.file_size(path), at_most)
        self.call("download", path, str(local))

    # -- writing ---------------------------------------------------------------

    def tar_in(self, local: Path, directory: str) -> None:
        self.call("tar_in", str(local), directory)

    def upload_at(self, local: Path, path: str, offset: int) -> None:
        """Write a local file's content into an existing file, from *offset* on."""
        self.call("upload_offset", str(local), path, offset)

    def truncate(self, path: str, size: int) -> None:
        self.call("truncate_size", path, size)

    def unlink(self, path: str) -> None:
        """Remove a file, and nothing else."""
        self.call("rm", path)

    def remove(self, path: str) -> None:
        """Remove a file or a whole directory; nothing happens where there is none."""
        self.call("rm_rf", path)
