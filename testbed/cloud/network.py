"""A stand-in for Neutron: a cloud without any network.

Nova asks Neutron about an instance's ports and security groups even if the instance has none;
the answer is always an empty list.  Run as
``python -m testbed.cloud.network PORT``.
"""

from __future__ import annotations

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from testbed.cloud.layout import HOST

_COLLECTION = re.compile(r"/v2\.0/(?:[a-z-]+/)*([a-z-]+)(?:\.json)?(?:\?.*)?$")


def answer(path: str) -> tuple[int, dict[str, object]]:
    """The status and the document of the response to a GET.

    >>> answer("/v2.0/security-groups?id=1")
    (200, {'security_groups': []})
    """
    if path.split("?", maxsplit=1)[0] in ("", "/"):
        version = {"id": "v2.0", "status": "CURRENT", "links": []}
        return 200, {"versions": [version]}
    if match := _COLLECTION.match(path):
        return 200, {match[1].replace("-", "_"): []}
    return 404, {"NeutronError": {"type": "NotFound", "message": "this cloud has no networks"}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(*answer(self.path))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        message = "this cloud has no networks and can't create any"
        self._send(409, {"NeutronError": {"type": "Conflict", "message": message}})

    do_PUT = do_DELETE = do_POST  # noqa: N815 - the library's names

    def _send(self, status: int, document: dict[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(words: list[str]) -> None:
    """Serve until the process is stopped."""
    ThreadingHTTPServer((HOST, int(words[0])), _Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
