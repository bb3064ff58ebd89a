"""A real registry behind a proxy on loopback that makes it behave as another product does.

What each answers is from its own documentation or from reports of its users.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import requests

from core.oci.registry import OCI_INDEX, RegistryClient, digest_of
from tests.support.answering import say, serving
from tests.support.registries import RunningRegistry


@dataclass(frozen=True)
class Request:
    """A request to the registry."""

    method: str
    path: str
    body: bytes
    registry: str
    """The address of the real one."""

    @property
    def manifest(self) -> tuple[str, str] | None:
        """The repository and reference of a manifest that is written."""
        found = re.fullmatch(r"/v2/(.+)/manifests/([^/?]+)", self.path)
        return (found[1], found[2]) if found and self.method == "PUT" else None

    @property
    def document(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.body)
        return found

    def has(self, repository: str, reference: str) -> bytes | None:
        """What the real registry has there."""
        return found.content if (
            found := RegistryClient(self.registry).manifest(repository, reference)
        ) else None  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """An answer in place of the real registry's."""

    status: int
    code: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None

    @property
    def content(self) -> bytes:
        error = {"errors": [{"code": self.code, "message": self.code.lower()}]}
        return json.dumps(error).encode() if self.body is None else self.body


#: Answers a request, or leaves it to the real registry.
Behaviour = Callable[[Request], Reply | None]


def wants_subject_first(request: Request) -> Reply | None:
    """GitLab: a manifest may only refer to one that is there."""
    if request.manifest is not None:
        subject = request.document.get("subject")
        repository, _ = request.manifest
        if isinstance(subject, dict) and request.has(repository, str(subject["digest"])) is None:
            return Reply(404, "MANIFEST_BLOB_UNKNOWN")
    return None


def takes_no_artifacts(request: Request) -> Reply | None:
    """Quay before 3.12, and others that know images alone."""
    if request.manifest is not None and "artifactType" in request.document:
        return Reply(400, "MANIFEST_INVALID")
    return None


def refuses_referrers(status: int) -> Behaviour:
    """Artifactory says 406 to an endpoint that it doesn't know; others 400, 403, 405 or 501."""

    def answer(request: Request) -> Reply | None:
        return Reply(status, "UNSUPPORTED") if "/referrers/" in request.path else None

    return answer


def sends_referrers_to(address: str) -> Behaviour:
    """GHCR redirects to another host, which soon has had enough."""

    def answer(request: Request) -> Reply | None:
        if "/referrers/" not in request.path:
            return None
        return Reply(303, headers={"Location": f"http://{address}{request.path}"})

    return answer


def immutable_tags(status: int, code: str) -> Behaviour:
    """ECR (400 and 403), Harbor (412): a tag that is there can't be written again."""

    def answer(request: Request) -> Reply | None:
        if request.manifest is None or ":" in request.manifest[1]:
            return None
        known = request.has(*request.manifest)
        return Reply(status, code) if known not in (None, request.body) else None

    return answer


class ListsReferrers:
    """zot, Harbor 2.8, Quay 3.12: an own list of what refers to a manifest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listed: dict[str, list[dict[str, object]]] = {}

    def __call__(self, request: Request) -> Reply | None:
        if request.manifest is not None and "subject" in request.document:
            document = request.document
            subject = document["subject"]
            assert isinstance(subject, dict)
            entry = {
                "mediaType": document["mediaType"],
                "digest": digest_of(request.body),
                "size": len(request.body),
                "artifactType": document["artifactType"],
                "annotations": document.get("annotations") or {},
            }
            with self._lock:
                self._listed.setdefault(str(subject["digest"]), []).append(entry)
        if "/referrers/" not in request.path:
            return None
        listed = self._listed.get(request.path.rpartition("/")[2], [])
        body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
        return Reply(200, headers={"Content-Type": OCI_INDEX}, body=json.dumps(body).encode())


@contextmanager
def behaving(registry: RunningRegistry, *behaviours: Behaviour) -> Iterator[RegistryClient]:
    """The client of a proxy that behaves in these ways."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        request = Request(handler.command, handler.path, body, registry.address)
        for behaviour in behaviours:
            if (reply := behaviour(request)) is not None:
                say(handler, reply.status, reply.content, **reply.headers)
                return
        headers = {k: v for k, v in handler.headers.items() if k.lower() != "host"}
        found = requests.request(
            handler.command, f"http://{registry.address}{handler.path}", headers=headers,
            data=body, timeout=30, allow_redirects=False,
        )  # fmt: skip
        kept = {
            name: value.replace(registry.address, str(handler.headers["Host"]))
            for name, value in found.headers.items()
            if name.lower() in ("content-type", "docker-content-digest", "location")
        }
        say(handler, found.status_code, found.content, **kept)

    with serving(answer) as address:
        yield RegistryClient(address)


@contextmanager
def overloaded() -> Iterator[tuple[str, list[str]]]:
    """A server that wants everybody to wait; its address, and what it was asked."""
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        say(handler, 429, b"{}", Retry_After="3600")

    with ExitStack() as stack:
        yield stack.enter_context(serving(answer)), asked
