"""Ansible's output, parsed: the result of each host and each failed task."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

#: ``host : ok=12 changed=3 …``, the lines under PLAY RECAP.
_HOST = re.compile(r"^(?P<host>\S+)\s+: (?P<counts>ok=\d+\s.*)$")
_COUNT = re.compile(r"(\w+)=(\d+)")
_TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(?P<name>.*?)\] \**$")
#: ``fatal: [host]: FAILED! => …``; a loop's items print ``failed: [host] (item=…) => …``.
_FAILED = re.compile(
    r"^(?:fatal|failed): \[(?P<host>[^\]]+?)(?: -> [^\]]+)?\]"
    r"(?:: (?:FAILED|UNREACHABLE)!)?(?: \(item=(?P<item>.*?)\))?(?: => (?P<result>.*))?$"
)
_MESSAGE = re.compile(r'"msg": "(?P<text>(?:[^"\\]|\\.)*)"')


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
    """The results of one playbook run."""

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


def parse_recap(lines: Iterable[str]) -> Recap:
    """Parse the output of ansible-playbook.

    A failure that was ignored (``...ignoring``) or rescued doesn't count: only failures of hosts
    that the recap counts as failed or unreachable are kept.
    """
    hosts: dict[str, HostResult] = {}
    failures: list[TaskFailure] = []
    task, in_recap = "", False
    for line in lines:
        if line.startswith("PLAY RECAP"):
            in_recap = True
        elif title := _TASK.match(line):
            task, in_recap = title["name"], False
        elif in_recap and (row := _HOST.match(line)):
            counts = {name: int(count) for name, count in _COUNT.findall(row["counts"])}
            known = {k: v for k, v in counts.items() if k in HostResult.__dataclass_fields__}
            hosts[row["host"]] = HostResult(row["host"], **known)
        elif failed := _FAILED.match(line):
            # The last line of a failed loop only says that items failed.
            message = _message(failed["result"] or "")
            if not (message == "One or more items failed" and failures):
                item = f"{failed['item']}: " if failed["item"] else ""
                failures.append(TaskFailure(failed["host"], task, item + message))
        elif line.startswith("...ignoring") and failures:
            failures = [f for f in failures if f.task != task]
    bad = {name for name, result in hosts.items() if not result.good}
    kept = tuple(f for f in failures if f.host in bad or not hosts)
    return Recap(tuple(hosts.values()), kept)


def _message(result: str) -> str:
    match = _MESSAGE.search(result)
    text = match["text"].encode().decode("unicode_escape", "replace") if match else result
    return " ".join(text.split())[:500]
