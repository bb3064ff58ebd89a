"""Answers of QEMU's monitor that are too long, or no answers."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from core.errors import KollarmError
from guestprep.qemu_monitor import ANSWER, Monitor

GREETING = b'{"QMP": {}}\n{"return": {}}\n'


@contextmanager
def answering(*answers: bytes) -> Iterator[Path]:
    """A socket that sends these bytes to the first who comes, and then closes."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            for answer in answers:
                connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass

    with tempfile.TemporaryDirectory(dir="/tmp") as name, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{name}/qmp")
        listener.listen(1)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Path(name) / "qmp"
        thread.join(10)


@pytest.mark.parametrize(
    "answer",
    [
        b"x" * (64 << 20),
        b'{"return": "' + b"x" * ANSWER + b'"}\n',
        b"[" * 100_000 + b"\n",
        b"7\n",
        b"\xff\xfe\n",
        b"",
    ],
    ids=["endless", "long", "deep", "number", "binary", "nothing"],
)
def test_what_is_no_answer_ends_in_words(answer: bytes) -> None:
    with answering(GREETING, answer) as path, closing(Monitor(path)) as monitor:
        tracemalloc.start()
        try:
            with pytest.raises(KollarmError, match="query-status"):
                monitor.turned_off()
            assert tracemalloc.get_traced_memory()[1] < 8 * ANSWER
        finally:
            tracemalloc.stop()


def test_a_console_is_read_as_bytes() -> None:
    answer = json.dumps({"return": "AP8bW20="}).encode() + b"\n"
    with answering(GREETING, answer) as path, closing(Monitor(path)) as monitor:
        assert monitor.printed("serial", 64) == b"\0\xff\x1b[m"


def test_a_console_that_is_not_base64_ends_in_words() -> None:
    answer = json.dumps({"return": "\u00e9"}).encode() + b"\n"
    with (
        answering(GREETING, answer) as path,
        closing(Monitor(path)) as monitor,
        pytest.raises(KollarmError, match="ringbuf-read"),
    ):
        monitor.printed("serial", 64)


def test_the_machine_is_on_or_off() -> None:
    answers = (
        b'{"event": "STOP"}\n{"return": {"status": "shutdown"}}\n',
        b'{"return": {"status": "running"}}\n',
    )
    with answering(GREETING, *answers) as path, closing(Monitor(path)) as monitor:
        assert monitor.turned_off()
        assert not monitor.turned_off()
