"""What happened on the hosts: the events that a callback plugin of Ansible's writes during a run.

The plugin, ``data/kollarm_events.py``, runs within kolla-ansible; its docstring has the format.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

#: Where Ansible looks for a user's own plugins; its variable replaces them.
#: Source: https://docs.ansible.com/ansible/latest/reference_appendices/config.html
_USUAL_PLUGINS = "~/.ansible/plugins/callback:/usr/share/ansible/plugins/callback"
#: What the recap's columns are called in Ansible's statistics.
_COUNTS = {"unreachable": "dark", "failed": "failures"}
#: Characters of a failed task's message that are kept.
_MESSAGE_LIMIT = 500


@dataclass(frozen=True)
class HostResult:
    """One host's line of the recap."""

    host: str
    ok: int = 0
    changed: int = 0
    unreachable: int = 0
    failed: int = 0
    skipped: int = 0
    rescued: int = 0
    ignored: int = 0

    @property
    def good(self) -> bool:
        return not self.failed and not self.unreachable


@dataclass(frozen=True)
class TaskFailure:
    """A task that failed on a host."""

    host: str
    task: str
    message: str


@dataclass(frozen=True)
class Recap:
    """The results of one stage."""

    hosts: tuple[HostResult, ...]
    failures: tuple[TaskFailure, ...]

    def to_text(self) -> str:
        """The hosts' results as a table."""
        columns = ("host", "ok", "changed", "unreachable", "failed", "skipped")
        rows = [columns, *([str(asdict(h)[c]) for c in columns] for h in self.hosts)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        )

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


@dataclass
class RunEvents:
    """The state of a run, from the events so far."""

    play: str = ""
    task: str = ""
    hosts: int = 0
    """How many hosts the play is for."""
    done: set[str] = field(default_factory=set)
    """Those that finished the task."""
    results: dict[str, HostResult] = field(default_factory=dict)
    failures: list[TaskFailure] = field(default_factory=list)

    def add(self, line: str) -> None:
        """Take one line of the events; what isn't one, such as half a line, is left out."""
        with suppress(ValueError, RecursionError, KeyError, TypeError, AttributeError):
            self._take(json.loads(line))

    def _take(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "play":
                self.play, self.hosts = str(event["name"]), int(event["hosts"])
                self.task, self.done = "", set()
            case "task":
                self.task, self.done = str(event["name"]), set()
            case "done":
                self.done.add(str(event["host"]))
            case "failed" if not event["ignored"]:
                self._fail(event)
            case "unreachable":
                self._fail(event)
            case "stats":
                for host, counts in event["hosts"].items():
                    self._count(str(host), counts)

    def _fail(self, event: dict[str, Any]) -> None:
        message = " ".join(str(event["message"]).split())
        host, item = str(event["host"]), event.get("item")
        # The result of a loop only says that items failed, which have told why.
        told = any((one.host, one.task) == (host, self.task) for one in self.failures)
        if item is None and told:
            return
        text = f"{item}: {message}" if item is not None else message
        # a command's own last words are at the end
        if len(text) > _MESSAGE_LIMIT:
            text = f"{text[:100]} … {text[-(_MESSAGE_LIMIT - 103) :]}"
        self.failures.append(TaskFailure(host, self.task, text))

    def _count(self, host: str, counts: dict[str, int]) -> None:
        before = asdict(self.results.get(host, HostResult(host)))
        names = [name for name in before if name != "host"]
        now = {name: before[name] + int(counts.get(_COUNTS.get(name, name), 0)) for name in names}
        self.results[host] = HostResult(host, **now)

    @property
    def where(self) -> str:
        """For the progress line: task, play, and how many hosts are done."""
        hosts = f", {len(self.done)} of {self.hosts} hosts" if self.hosts > 1 and self.task else ""
        return " – ".join(part for part in (self.play, self.task) if part) + hosts

    def recap(self) -> Recap:
        """The results; failures that were rescued don't count, as Ansible's own statistics say."""
        bad = {name for name, result in self.results.items() if not result.good}
        kept = tuple(one for one in self.failures if one.host in bad or not self.results)
        return Recap(tuple(self.results.values()), kept)


class EventFile:
    """The file that the plugin writes while kolla-ansible runs.

    :param path: it is created anew, for its owner alone.
    """

    def __init__(self, path: Path):
        self.path = path
        self.state = RunEvents()
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600))
        self._stream = path.open(encoding="utf-8", errors="replace")
        self._rest = ""

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which Ansible finds the plugin, and the plugin its file."""
        plugins = os.environ.get("ANSIBLE_CALLBACK_PLUGINS", _USUAL_PLUGINS)
        ours = Path(__file__).parent / "data"
        return {
            "KOLLARM_EVENTS": str(self.path.absolute()),
            "ANSIBLE_CALLBACK_PLUGINS": f"{ours}:{plugins}",
        }

    def read(self) -> RunEvents:
        """The state after what was written since."""
        lines = (self._rest + self._stream.read()).split("\n")
        self._rest = lines.pop()
        for line in lines:
            self.state.add(line)
        return self.state

    def close(self) -> None:
        self._stream.close()
