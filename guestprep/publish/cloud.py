"""Reaching a cloud's Glance: the connection, its calls, and what its refusals mean.

Calls and answers are those of https://docs.openstack.org/api-ref/image/v2/.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openstack
import requests
from keystoneauth1 import exceptions as auth_errors
from keystoneauth1.session import Session
from openstack import exceptions as sdk_errors

from core import trust
from core.errors import ConfigError, KollarmError
from guestprep import limits
from guestprep.publish.glance_json import image_of, operation
from guestprep.publish.model import PropertyChange, RemoteImage

#: Seconds for an answer to anything but an upload.
TIMEOUT = 60.0

#: Calls that can safely be repeated, the answers after which that may help, and how often they
#: are repeated, at growing intervals (keystoneauth's own).
REPEATABLE = frozenset(("GET", "PATCH"))
PASSING = (429, 500, 502, 503, 504)
RETRIES = 3


class GlanceError(KollarmError):
    """Glance, or the identity service before it, can't be reached or refused something.

    :param status: the HTTP status; None where there was no answer.
    """

    def __init__(self, message: str, *, status: int | None = None, hint: str | None = None):
        super().__init__(message, hint=hint)
        self.status = status

    @property
    def passing(self) -> bool:
        """Whether trying again may help: no answer, or the server's own trouble."""
        return self.status is None or self.status >= 500 or self.status == 429


def connect(
    cloud: str | None = None, *, region: str | None = None, clouds_yaml: Path | None = None
) -> Any:
    """A connection to a cloud of clouds.yaml; no request is made yet.

    :param cloud: its name; None takes ``$OS_CLOUD`` or the other ``OS_…`` variables.
    :param region: one of its regions; None takes the first.
    :param clouds_yaml: read this file only, instead of the usual places and variables.
    :return: an :class:`openstack.connection.Connection`.
    :raises ConfigError: there is no such cloud, or its entry is incomplete.
    """
    try:
        loader = openstack.config.OpenStackConfig(
            config_files=[str(clouds_yaml)] if clouds_yaml else None,
            # Otherwise OS_CLIENT_CONFIG_FILE would come before the file that is meant.
            load_envvars=clouds_yaml is None,
            app_name="kollarm",
        )
        named = cloud or os.environ.get("OS_CLOUD")
        if named is None and "OS_AUTH_URL" not in os.environ and "OS_ENDPOINT" not in os.environ:
            names = sorted(set(loader.get_cloud_names()) - {"envvars", "defaults"})
            raise ConfigError(
                "no cloud is named",
                hint="name one in the configuration (cloud.name) or in OS_CLOUD; "
                + (f"clouds.yaml has: {', '.join(names)}" if names else "there is no clouds.yaml"),
            )
        within: dict[str, Any] = {"region_name": region} if region else {}
        found = loader.get_one(cloud=named, api_timeout=TIMEOUT, **within)
        spaced = any("rate_limit" in key or "concurrency" in key for key in found.config)
        found.set_session_constructor(_PatientSession if spaced else _UnspacedSession)
        return openstack.connection.Connection(config=found)
    except (sdk_errors.ConfigException, auth_errors.MissingRequiredOptions) as error:
        known = sorted(set(loader.get_cloud_names()) - {"envvars", "defaults"})
        raise ConfigError(
            f"the cloud {cloud or os.environ.get('OS_CLOUD')!r} can't be used: {error}",
            hint=f"clouds.yaml has: {', '.join(known) or 'no cloud'}; see "
            "https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html",
        ) from error


class _PatientSession(Session):
    """keystoneauth's, which repeats a question when the other side just closed the connection.

    Servers and the balancers before them close connections that were idle for some seconds. A
    question that is under way at that moment gets no answer, and can be asked again.
    """

    def request(self, url: str, method: str, *args: Any, **options: Any) -> Any:
        """As keystoneauth's."""
        if method in ("GET", "HEAD") and options.get("connect_retries") is None:
            options["connect_retries"] = 1
        return super().request(url, method, *args, **options)


class _UnspacedSession(_PatientSession):
    """A session without openstacksdk's pauses between requests, which no setting asks for.

    The library measures them by the time of day: where that is set back, the next request would
    wait for as long.
    """

    def request(self, url: str, method: str, *args: Any, **options: Any) -> Any:
        """As keystoneauth's."""
        options.pop("rate_semaphore", None)
        return super().request(url, method, *args, **options)


class Glance:
    """Glance's calls over a connection of openstacksdk's."""

    def __init__(self, connection: Any):
        self.connection = connection
        region = connection.config.get_region_name()
        self.cloud = str(connection.config.name or "(from OS_…)") + (f"/{region}" if region else "")
        self._where = f"Glance of cloud {connection.config.name or '(from OS_…)'}"
        with _explained(self._where):
            try:
                self._images = connection.image
            except auth_errors.DiscoveryFailure:
                # What the library also says when nothing answers; asking directly tells why.
                if endpoint := connection.config.get_endpoint("image"):
                    connection.session.get(endpoint, timeout=TIMEOUT)
                raise

    @property
    def project(self) -> str | None:
        """The id of the project that the connection speaks for, where there is one."""
        with _explained(self._where):
            project: str | None = self.connection.session.get_project_id()
        return project

    def find(self, **filters: str) -> list[RemoteImage]:
        """All images that match, hidden ones too."""
        images: dict[str, RemoteImage] = {}
        for hidden in ("false", "true"):
            path, query = "/images", {**filters, "os_hidden": hidden, "limit": "100"}
            while path:
                page = self._call("GET", path, params=query).json()
                images |= {data["id"]: image_of(data) for data in page["images"]}
                path, query = page.get("next", "").removeprefix("/v2"), {}
        return list(images.values())

    def get(self, image_id: str) -> RemoteImage:
        """One image, as Glance describes it now."""
        return image_of(self._call("GET", f"/images/{image_id}").json())

    def read(self, path: str, *, absent: Collection[int] = (404,)) -> dict[str, Any]:
        """A JSON document of Glance's other resources.

        :param absent: statuses for which it is empty, as the cloud doesn't offer it.
        """
        try:
            document: dict[str, Any] = self._call("GET", path).json()
        except GlanceError as error:
            if error.status not in absent:
                raise
            return {}
        return document

    def download(self, image_id: str, path: Path) -> None:
        """Fetch an image's content.

        :raises UnusableInput: it is larger than any image.
        """
        answer = self._call("GET", f"/images/{image_id}/file", stream=True, log=False)
        with answer, path.open("wb") as stream:
            for block in answer.iter_content(1 << 20):
                limits.check(f"the image {image_id}", stream.tell() + len(block), limits.IMAGE)
                stream.write(block)

    def create(
        self, attributes: Mapping[str, object], properties: Mapping[str, str], *, hidden: bool
    ) -> RemoteImage:
        """Make a record without content."""
        body = {**properties, **attributes, "os_hidden": hidden}
        return image_of(self._call("POST", "/images", json=body).json())

    def change(self, image_id: str, changes: Sequence[PropertyChange]) -> RemoteImage:
        """Change attributes and properties, all at once (a JSON patch, RFC 6902)."""
        operations = [operation(change) for change in changes]
        answer = self._call(
            "PATCH",
            f"/images/{image_id}",
            json=operations,
            headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
        )
        return image_of(answer.json())

    def delete(self, image_id: str) -> None:
        """Delete an image; one that is gone already is fine."""
        try:
            self._call("DELETE", f"/images/{image_id}")
        except GlanceError as error:
            if error.status != requests.codes.not_found:
                raise

    def deactivate(self, image_id: str) -> None:
        """Let nobody start or rebuild servers from an image, until it is activated again."""
        self._call("POST", f"/images/{image_id}/actions/deactivate")

    def send(self, path: str, data: Any, timeout: float, store: str | None = None) -> None:
        """PUT content. ``data`` is iterated over (again, when the token had expired).

        :param timeout: seconds without any sign of life from Glance.
        :param store: the store that gets it; None for the default one.
        """
        headers = {"X-Image-Meta-Store": store} if store else {}
        self._call(
            "PUT",
            path,
            data=data,
            headers={"Content-Type": "application/octet-stream", **headers},
            timeout=(TIMEOUT, timeout),
            log=False,
        )

    def start_import(
        self, image_id: str, method: Mapping[str, str], stores: Sequence[str] = ()
    ) -> None:
        """Start an import by Glance, which goes on after its answer."""
        body: dict[str, object] = {"method": dict(method)}
        if stores:
            body["stores"] = list(stores)
        self._call("POST", f"/images/{image_id}/import", json=body)

    def import_failures(self, image_id: str) -> list[str]:
        """The messages of the image's failed import tasks."""
        tasks = self.read(f"/images/{image_id}/tasks").get("tasks", [])  # none before Victoria
        return [task["message"] for task in tasks if task.get("status") == "failure"]

    def stores(self) -> tuple[str, ...]:
        """Identifiers of its stores; empty where it does not tell them (it has only one)."""
        listed = self.read("/info/stores").get("stores", ())
        return tuple(store["id"] for store in listed if not store.get("read-only"))

    def members(self, image_id: str) -> list[str]:
        """Ids of the projects that an image is shared with."""
        listed = self.read(f"/images/{image_id}/members", absent=(403, 404)).get("members", ())
        return [member["member_id"] for member in listed]

    def share(self, image_id: str, project: str) -> None:
        """Share an image with a project; again is fine."""
        try:
            self._call("POST", f"/images/{image_id}/members", json={"member": project})
        except GlanceError as error:
            if error.status != requests.codes.conflict:
                raise

    def import_methods(self) -> tuple[str, ...]:
        """What the cloud's interoperable import offers."""
        return tuple(self.read("/info/import").get("import-methods", {}).get("value", ()))

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:
        if method in REPEATABLE:
            options.setdefault("status_code_retries", RETRIES)
            options.setdefault("retriable_status_codes", PASSING)
        with _explained(self._where):
            options.setdefault("timeout", TIMEOUT)
            answer: requests.Response = self._images.request(
                path, method, raise_exc=False, **options
            )
        if answer.status_code >= 400:
            raise refusal(method, path, answer)
        return answer


def refusal(method: str, path: str, answer: requests.Response) -> GlanceError:
    """The error that an HTTP answer stands for, with what can be done about it."""
    status = answer.status_code
    # Glance answers with a small HTML page, whose heading only repeats the status.
    text = re.sub(r"(?s)<head>.*?</head>|<h1>.*?</h1>|<[^>]+>", " ", answer.text)
    reason = " ".join(html.unescape(text).split())[:300] or answer.reason
    hints = {
        401: "the credentials in clouds.yaml were not accepted",
        403: "the cloud's policy forbids it to this user: publishing publicly requires the "
        "admin role by default; try visibility: private",
        413: "the project's quota, or the store, has no room for it",
        415: "the content has another format than declared; Glance's log has the reason",
    }
    return GlanceError(
        f"Glance refused {method} {path} with {status}: {reason}",
        status=status,
        hint=hints.get(status),
    )


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn the libraries' exceptions into errors that say what to do."""
    try:
        yield
    except auth_errors.Unauthorized as error:
        raise GlanceError(
            f"{what} doesn't accept the credentials",
            status=401,
            hint="check username, password and project in clouds.yaml",
        ) from error
    except (auth_errors.SSLError, requests.exceptions.SSLError) as error:
        raise GlanceError(
            f"{what} has a certificate that is not trusted: {error}",
            status=495,
            hint=trust.hint(
                error, "name its CA in ca_bundle of the configuration, or cacert in clouds.yaml"
            ),
        ) from error
    except (
        auth_errors.ConnectFailure,
        auth_errors.ConnectTimeout,
        auth_errors.RetriableConnectionFailure,
        requests.exceptions.RequestException,
    ) as error:
        raise GlanceError(
            f"{what} can't be reached: {error}",
            hint="is it running, and is the address in clouds.yaml right?",
        ) from error
    except (auth_errors.ClientException, sdk_errors.SDKException) as error:
        raise GlanceError(f"{what} can't be used: {error}", status=400) from error
