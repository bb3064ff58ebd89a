"""A Paste filter for a Glance without Keystone: every request comes from one administrator.

It sets the headers that keystonemiddleware's auth_token would have set after a
token was validated, so that Glance sees an owner, and import works.  Requests that a web page makes
a browser send are refused: it needs no password to be let in.  It runs
in Glance's own virtual environment and imports nothing of kollarm's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

IDENTITY = {
    "HTTP_X_IDENTITY_STATUS": "Confirmed",
    "HTTP_X_USER_ID": "kollarm",
    "HTTP_X_USER_NAME": "kollarm",
    "HTTP_X_PROJECT_ID": "kollarm",
    "HTTP_X_PROJECT_NAME": "kollarm",
    "HTTP_X_TENANT_ID": "kollarm",
    "HTTP_X_ROLES": "admin,manager,member,reader",
}

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def from_web_page(environ: dict[str, Any]) -> bool:
    """Whether a browser sends this for a page of a foreign server.

    It says so (Origin), or believes that this is that server, whose name now leads here (Host).
    """
    host = environ.get("HTTP_HOST", "").rpartition(":")[0] or environ.get("HTTP_HOST", "")
    return host not in ("127.0.0.1", "localhost") or "HTTP_ORIGIN" in environ


def filter_factory(
    global_config: dict[str, str], **local_config: str
) -> Callable[[Application], Application]:
    """Paste Deploy's entry point of a filter."""

    def filter_application(application: Application) -> Application:
        def identified(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            if from_web_page(environ):
                start_response("403 Forbidden", [("Content-Type", "text/plain")])
                return [b"this Glance answers programs of this machine only, not web pages\n"]
            return application(environ | IDENTITY, start_response)

        return identified

    return filter_application
