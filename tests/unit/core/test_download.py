"""Downloads from a server on loopback that cuts connections, redirects and lacks files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from core.download import ATTEMPTS, DownloadError, NotFound, fetch, small
from core.errors import KollarmError

CONTENT = bytes(range(256)) * 4096
MOST = 2 * len(CONTENT)


@dataclass
class Server:
    """A server of one file, at ``/file``; ``/old`` redirects to it."""

    url: str = ""
    content: bytes = CONTENT
    cuts: int = 0
    """How many of the next answers end in the middle."""
    with_length: bool = True
    resumes: bool = True
    ranges: list[str | None] = field(default_factory=list)
    """The Range header of each request for the file."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/old":
                self.send_response(302)
                self.send_header("Location", "/file")
                self.end_headers()
            elif self.path == "/file":
                self.send_file()
            else:
                self.send_error(404)

        def send_file(self) -> None:
            wanted = self.headers.get("Range")
            state.ranges.append(wanted)
            start = 0
            if wanted and state.resumes:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
            data = state.content[start:]
            self.send_response(416 if start and not data else 206 if start else 200)
            if state.with_length:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if state.cuts:
                state.cuts -= 1
                data = data[: len(data) // 2]
            self.wfile.write(data)

        def log_message(self, *words: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
    state.url = f"http://127.0.0.1:{http.server_port}"
    yield state
    http.shutdown()
    http.server_close()


def is_content(path: Path) -> None:
    if path.read_bytes() != CONTENT:
        raise KollarmError("another content")


def test_a_file_takes_its_name(server: Server, tmp_path: Path) -> None:
    notes: list[str] = []
    fetch(f"{server.url}/file", tmp_path / "target", at_most=MOST, on_progress=notes.append)
    assert (tmp_path / "target").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert notes[-1] == "1.0 MiB of 1.0 MiB"


def test_a_redirect_is_followed(server: Server, tmp_path: Path) -> None:
    fetch(f"{server.url}/old", tmp_path / "target", at_most=MOST)
    assert (tmp_path / "target").read_bytes() == CONTENT
    assert small(f"{server.url}/old", at_most=MOST) == CONTENT


def test_no_content_length_is_needed(server: Server, tmp_path: Path) -> None:
    server.with_length = False
    fetch(f"{server.url}/file", tmp_path / "target", at_most=MOST, check=is_content)
    assert (tmp_path / "target").read_bytes() == CONTENT


def test_a_cut_download_is_resumed(server: Server, tmp_path: Path) -> None:
    server.cuts = 2
    fetch(f"{server.url}/file", tmp_path / "target", at_most=MOST, check=is_content)
    assert (tmp_path / "target").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=524288-", "bytes=786432-"]


def test_one_of_an_earlier_run_too(server: Server, tmp_path: Path) -> None:
    (tmp_path / "target.part").write_bytes(CONTENT[:1000])
    fetch(f"{server.url}/file", tmp_path / "target", at_most=MOST, check=is_content)
    assert server.ranges == ["bytes=1000-"]
    (tmp_path / "target.part").write_bytes(CONTENT)
    fetch(f"{server.url}/file", tmp_path / "target", at_most=MOST, check=is_content)
    assert (tmp_path / "target").read_bytes() == CONTENT


def test_a_server_that_cannot_resume_sends_all_again(server: Server, tmp_path: Path) -> None:
    server.resumes, server.cuts = False, 1
    fetch(f"{server.url}/file", tmp_path / "target", at_most=MOST, check=is_content)
    assert (tmp_path / "target").read_bytes() == CONTENT


def test_without_a_check_nothing_is_put_together(server: Server, tmp_path: Path) -> None:
    server.cuts = 1
    fetch(f"{server.url}/file", tmp_path / "target", at_most=MOST)
    assert (tmp_path / "target").read_bytes() == CONTENT
    assert server.ranges == [None, None]


def test_a_connection_that_is_always_cut_is_an_error_in_words(
    server: Server, tmp_path: Path
) -> None:
    server.cuts = ATTEMPTS
    with pytest.raises(DownloadError) as caught:
        fetch(f"{server.url}/file", tmp_path / "target", at_most=MOST, check=is_content)
    assert caught.value.hint is not None
    assert not (tmp_path / "target").exists()
    # the next run needs what is missing, no more
    fetch(f"{server.url}/file", tmp_path / "target", at_most=MOST, check=is_content)
    assert server.ranges[-1] == "bytes=786432-"


def test_a_wrong_file_is_not_resumed(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[::-1]
    with pytest.raises(KollarmError, match="another content"):
        fetch(f"{server.url}/file", tmp_path / "target", at_most=MOST, check=is_content)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("with_length", [True, False])
def test_a_file_can_be_too_large(server: Server, tmp_path: Path, *, with_length: bool) -> None:
    server.with_length = with_length
    with pytest.raises(DownloadError, match="larger"):
        fetch(f"{server.url}/file", tmp_path / "target", at_most=len(CONTENT) - 1)
    assert list(tmp_path.iterdir()) == []
    fetch(f"{server.url}/file", tmp_path / "target", at_most=len(CONTENT))


def test_what_is_not_there(server: Server, tmp_path: Path) -> None:
    assert small(f"{server.url}/none", at_most=MOST) is None
    with pytest.raises(DownloadError, match="larger"):
        small(f"{server.url}/file", at_most=len(CONTENT) - 1)
    with pytest.raises(NotFound, match="404"):
        fetch(f"{server.url}/none", tmp_path / "target", at_most=MOST)
    with pytest.raises(DownloadError, match="can't be reached"):
        fetch("nowhere:/file", tmp_path / "target", at_most=MOST)
