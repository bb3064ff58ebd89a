"""A stand-in for OpenStack services that can't be had here: it answers GET with given documents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import yaml

from guestprep.publish import connect
from tests.support.answering import say, serving

#: Versions of Placement, Nova and Cinder, each with the last microversion.
_VERSIONS = {"v1.0": "1.39", "v2.1": "2.96", "v3.0": "3.71"}


@contextmanager
def standing_in(documents: Mapping[str, object], folder: Path, *services: str) -> Iterator[Any]:
    """A connection whose named services answer with these documents, by path or path and query.

    :param services: the names in clouds.yaml, such as ``compute`` and ``block_storage``.
    """

    def answer(handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.split("?")[0]
        found = documents.get(handler.path, documents.get(path))
        if path.rstrip("/") == "":
            here = [{"rel": "self", "href": f"http://{handler.headers['Host']}/"}]
            found = {
                "versions": [
                    {
                        "id": name, "status": "CURRENT", "version": last, "max_version": last,
                        "min_version": name[1:], "links": here,
                    }
                    for name, last in _VERSIONS.items()
                ]
            }  # fmt: skip
        status, body = (404, {}) if found is None else (200, found)
        say(handler, status, json.dumps(body).encode(), Content_Type="application/json")

    with serving(answer) as address:
        url = f"http://{address}"
        cloud: dict[str, object] = {"auth_type": "none", "auth": {"endpoint": url}}
        cloud |= {f"{name}_endpoint_override": url for name in services}
        path = folder / "clouds.yaml"
        path.write_text(yaml.safe_dump({"clouds": {"stand-in": cloud}}))
        yield connect("stand-in", clouds_yaml=path)
