"""Programs that outlive the command that started them: start, find and stop them.

A daemon's folder holds ``pid``, which the daemon's own shell writes before it
becomes the program: the next run finds a daemon even if the run that started it
was killed right afterwards. Process ids are used again, so the file has the
process's start time and the machine's boot id too. A digest of the settings
shows whether the configuration has changed since.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core import cache, lock, progress
from core.errors import KollarmError
from core.files import private_folder
from core.logs import open_private
from core.processes import BOOT_ID, group_lives, start_time
from kollarm.services.ports import MARK, bypass_proxy, listener, service_folder

__all__ = ["Daemon", "running_in", "start", "stop"]

#: Seconds a daemon has to end after SIGTERM before it is killed.
GRACE = 15.0

#: Seconds that a running daemon has to answer before it is restarted.
PATIENCE = 30.0

#: Seconds that the kernel may hold the port of a killed program, without a process.
ENDING = 5.0

#: Lines of the log that an error shows.
TAIL = 15

#: Bytes after which a log is started again (when the daemon starts).
LOG_LIMIT = 5_000_000

# $1 the pid file, $2 the digest, then the program.  Field 22 of /proc/PID/stat is
# the start time in clock ticks (proc(5)); it stays the same across exec.
_LAUNCH = """
pidfile=$1 digest=$2; shift 2
set_fields() { start=${22}; }
set_fields $(cat /proc/$$/stat)
echo "$$ $start $(cat /proc/sys/kernel/random/boot_id) $digest" > "$pidfile.$$"
mv "$pidfile.$$" "$pidfile"
exec "$@"
"""


@dataclass(frozen=True)
class Daemon:
    """A program to keep running."""

    name: str
    """Its name in messages (``registry``)."""
    folder: Path
    """The folder of its ``pid`` and ``log``."""
    program: Callable[[], tuple[str, ...]]
    """Prepares a start and returns the command, which stays in the foreground."""
    address: tuple[str, int] | None
    """Host and port that it listens on; None if it does not listen."""
    answers: Callable[[], bool]
    """Whether it answers, as the right program; must return within seconds."""
    settings: str
    """Everything that it depends on, as text: a change means a restart."""
    env: Mapping[str, str] = field(default_factory=dict)
    port_hint: str = "choose another port in the configuration"
    """How a user chooses another port (a hint)."""
    deadline: float = 60.0
    """Seconds that a start may take."""

    @property
    def log(self) -> Path:
        """The file with its output."""
        return self.folder / "log"

    @property
    def pid_file(self) -> Path:
        return self.folder / "pid"

    @property
    def digest(self) -> str:
        """A digest of its settings: a change means a restart."""
        return cache.digest({"settings": self.settings, "env": dict(self.env)})


def start(daemon: Daemon) -> bool:
    """Make a daemon run and answer; return whether it had to be started.

    A daemon that runs with other settings, or no longer answers, is restarted.

    :raises KollarmError: it does not start, or its port belongs to another program.
    """
    if daemon.address:
        bypass_proxy(daemon.address[0])
    private_folder(daemon.folder)
    with lock.locked(daemon.folder / ".lock"):
        pid, digest = _recorded(daemon.folder)
        if pid is not None:
            if digest == daemon.digest and _comes_up(daemon, pid, min(PATIENCE, daemon.deadline)):
                return False
            _end(pid)
        if daemon.address:
            _free_the_port(daemon, *daemon.address)
        argv = daemon.program()
        with progress.current().step(f"start {daemon.name}"):
            pid = _launch(daemon, argv)
            if not _comes_up(daemon, pid, daemon.deadline):
                _end(pid)
                daemon.pid_file.unlink(missing_ok=True)
                raise KollarmError(
                    f"the embedded {daemon.name} does not start",
                    details=f"the end of {daemon.log}:\n{_tail(daemon.log)}",
                    hint="the reason is in its log",
                )
        return True


def stop(folder: Path) -> bool:
    """Stop the daemon of a folder; return whether it ran."""
    if not folder.is_dir():
        return False
    with lock.locked(folder / ".lock"):
        pid, _ = _recorded(folder)
        if pid is not None:
            _end(pid)
        (folder / "pid").unlink(missing_ok=True)
        return pid is not None


def running_in(folder: Path) -> int | None:
    """The process id of the daemon of a folder; None if it does not run."""
    return _recorded(folder)[0]


def _tail(path: Path) -> str:
    """The last lines of a log."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - 20_000))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.splitlines()[-TAIL:])


def _launch(daemon: Daemon, argv: tuple[str, ...]) -> int:
    if daemon.log.exists() and daemon.log.stat().st_size > LOG_LIMIT:
        daemon.log.unlink()
    daemon.pid_file.unlink(missing_ok=True)
    with open_private(daemon.log, append=True) as log:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _LAUNCH, "sh", daemon.pid_file, daemon.digest, *argv],
            cwd=daemon.folder,
            # setproctitle, which gunicorn uses, writes over the environment otherwise.
            env=dict(os.environ) | dict(daemon.env) | {MARK: str(daemon.folder), "SPT_NOENV": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return process.pid


def _comes_up(daemon: Daemon, pid: int, patience: float) -> bool:
    """Whether the process answers within so many seconds; False at once when it ends."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if not _alive(pid):
            return False
        if daemon.answers():
            return True
        time.sleep(0.1)
    return False


def _recorded(folder: Path) -> tuple[int | None, str]:
    """The recorded process, if it is still the one that was started, and its digest."""
    try:
        pid, started, boot, digest = (folder / "pid").read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return None, ""
    this_boot = BOOT_ID.read_text(encoding="utf-8").strip()
    if pid.isdecimal() and boot == this_boot and started == start_time(int(pid)):
        return int(pid), digest
    return None, ""


def _alive(pid: int) -> bool:
    # A child of this process stays a zombie until it is waited for.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return start_time(pid) is not None


def _end(pid: int) -> None:
    """End a daemon and its process group: SIGTERM, then SIGKILL."""
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            # Workers may outlive the master, and hold the port.
            if not _alive(pid) and not group_lives(pid):
                return
            time.sleep(0.05)


def _free_the_port(daemon: Daemon, host: str, port: int) -> None:
    """Make sure that nothing listens on the daemon's port; end an orphan of this or a lost folder.

    :raises KollarmError: another program, or another project's service, listens on it.
    """
    deadline = time.monotonic() + ENDING
    while True:
        try:
            socket.create_connection((host, port), timeout=2).close()
        except OSError:
            return
        holder = listener(port)
        if holder is not None or time.monotonic() > deadline:
            break
        # The kernel keeps the port of a killed program open for a moment.
        time.sleep(0.1)
    if holder is None:
        raise KollarmError(
            f"port {port}, which the embedded {daemon.name} needs, is in use by a program of "
            "another user",
            hint=daemon.port_hint,
        )
    owner = service_folder(holder)
    if owner is not None and (owner == daemon.folder or not (owner / "pid").exists()):
        # The state folder was deleted while it ran, and the pid file with it.
        _end(os.getpgid(holder.pid))
        return
    what = f"process {holder.pid}: {' '.join(holder.cmdline())[:120]}"
    if owner is not None:
        raise KollarmError(
            f"port {port}, which the embedded {daemon.name} needs, is in use by the same "
            f"service of another project ({owner})",
            details=what,
            hint=f"stop it with: kollarm stop {owner.parent}; or {daemon.port_hint}",
        )
    raise KollarmError(
        f"port {port}, which the embedded {daemon.name} needs, is in use by another program",
        details=what,
        hint=f"end that program, or {daemon.port_hint}",
    )
