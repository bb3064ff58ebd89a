"""An HTTP proxy before a real service, that fails as it is told."""

from __future__ import annotations

import http.client
import threading
import time
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = 64 * 1024


@dataclass(frozen=True)
class Fault:
    """What happens to one request."""

    status: int | None = None
    """Answered instead of handing the request on."""
    cut_after: int | None = None
    """Bytes of the request's body that are read (and handed on) before the connection is cut."""
    cut_answer: int | None = None
    """Bytes of the answer's body before the connection is cut."""
    delay: float = 0.0
    """Seconds between two pieces."""


class Proxy:
    """Hands requests on to a service on loopback; faults are used up one by one.

    :ivar faults: for the requests to come, in order; when it is empty all goes well.
    :ivar only: methods whose requests meet faults; empty for all.
    """

    def __init__(self, port: int):
        self.target = port
        self.faults: deque[Fault] = deque()
        self.only: tuple[str, ...] = ()
        self.met = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def next_fault(self, method: str) -> Fault:
        with self._lock:
            if not self.faults or (self.only and method not in self.only):
                return Fault()
            self.met += 1
            return self.faults.popleft()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                pass

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (ConnectionError, http.client.HTTPException, TimeoutError):
                    self.close_connection = True

            def pieces(self) -> list[bytes]:
                """The request's body; never a large one at once."""
                if "chunked" in self.headers.get("Transfer-Encoding", ""):
                    found = []
                    while size := int(self.rfile.readline().split(b";")[0], 16):
                        found.append(self.rfile.read(size))
                        self.rfile.readline()
                    self.rfile.readline()
                    return found
                left, found = int(self.headers.get("Content-Length", 0)), []
                while left:
                    piece = self.rfile.read(min(PIECE, left))
                    if not piece:
                        break
                    left -= len(piece)
                    found.append(piece)
                return found

            def cut(self) -> None:
                self.close_connection = True
                self.connection.close()

            def forward(self) -> None:
                fault = proxy.next_fault(self.command)
                if fault.cut_after is not None:
                    self.rfile.read(min(fault.cut_after, int(self.headers["Content-Length"] or 0)))
                    self.cut()
                    return
                body = self.pieces()
                if fault.status is not None:
                    self.send_response(fault.status)
                    self.send_header("Content-Length", "0")
                    self.send_header("Retry-After", "0")
                    self.end_headers()
                    return
                back = http.client.HTTPConnection("127.0.0.1", proxy.target, timeout=120)
                back.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                        back.putheader(name, value)
                if body or self.command in ("PUT", "POST", "PATCH"):
                    back.putheader("Content-Length", str(sum(map(len, body))))
                back.endheaders()
                for piece in body:
                    time.sleep(fault.delay)
                    back.send(piece)
                answer = back.getresponse()
                content = b"" if self.command == "HEAD" else answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") if self.command == "HEAD" else None
                self.send_header("Content-Length", length or str(len(content)))
                self.end_headers()
                if fault.cut_answer is not None:
                    self.wfile.write(content[: fault.cut_answer])
                    self.wfile.flush()
                    self.cut()
                    return
                self.wfile.write(content)
                back.close()

            do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = forward  # noqa: N815

        return Handler
