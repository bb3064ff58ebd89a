"""Glance's import methods in place of an upload."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from core.errors import KollarmError
from guestprep.publish import (
    Method,
    PublishSpec,
    publish,
)
from guestprep.publish.cloud import Glance, GlanceError
from guestprep.publish.model import PublishAction
from tests.support.publishing import all_of

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def web(images: dict[str, Path]) -> Iterator[str]:
    """An HTTP server with the images, as a mirror would have them."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(images["first"].parent))
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_glance_direct(connection: Any, images: dict[str, Path], spec: PublishSpec) -> None:
    record = publish(connection, images["first"], replace(spec, method=Method.GLANCE_DIRECT))
    assert (record.action, record.status) == (PublishAction.UPLOAD, "active")
    assert record.sent == images["first"].stat().st_size


def test_web_download(
    connection: Any, images: dict[str, Path], spec: PublishSpec, web: str
) -> None:
    url = f"{web}/first.qcow2"
    fetched = replace(spec, method=Method.WEB_DOWNLOAD, source_url=url)
    record = publish(connection, images["first"], fetched)
    assert (record.status, record.sent) == ("active", 0)


@pytest.mark.parametrize(
    ("served", "error", "words"),
    [
        pytest.param("second", KollarmError, "it is removed", id="another-file"),
        pytest.param("missing", GlanceError, "import failed", id="no-file"),
    ],
)
def test_a_failed_web_download_is_an_error_and_leaves_nothing(
    connection: Any,
    api: Glance,
    images: dict[str, Path],
    spec: PublishSpec,
    web: str,
    served: str,
    error: type[KollarmError],
    words: str,
) -> None:
    url = f"{web}/{served}.qcow2"
    fetched = replace(spec, method=Method.WEB_DOWNLOAD, source_url=url)
    with pytest.raises(error, match=words):
        publish(connection, images["first"], fetched)
    assert all_of(api, spec) == []


def test_an_unusable_method_is_refused_before_anything_is_made(
    connection: Any, api: Glance, images: dict[str, Path], spec: PublishSpec
) -> None:
    with pytest.raises(KollarmError, match="web-download"):
        publish(connection, images["first"], replace(spec, method=Method.WEB_DOWNLOAD))
    assert all_of(api, spec) == []
