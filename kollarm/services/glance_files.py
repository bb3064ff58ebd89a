"""The configuration files of an embedded Glance and Keystone, as text.

What the options mean: https://docs.openstack.org/glance/latest/configuration/ and
https://docs.openstack.org/keystone/latest/configuration/.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from core import files

#: The cloud's name in the clouds.yaml that is written.
CLOUD = "kollarm"

#: The folder of a service, from within: it runs there. What reads its configuration takes ``$``,
#: ``%``, ``?`` and ``#`` in the name of a folder for something else.
HERE = Path("/proc/self/cwd")

#: Keystone's users: its administrator, and the one that the services have in common.
ADMINISTRATOR, SERVICE = "admin", "glance"

#: A property that holds the id of an image, as JSON schema.
_IMAGE_ID = {
    "type": ["null", "string"],
    "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
}

Ini = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True)
class GlanceFolders:
    """The files of an embedded Glance, in one folder, in which it runs."""

    folder: Path

    @property
    def etc(self) -> Path:
        return self.folder / "etc"

    @property
    def database(self) -> Path:
        return self.folder / "glance.sqlite"

    @property
    def images(self) -> Path:
        return self.folder / "images"

    def make(self) -> None:
        """Make the folders that Glance expects to find."""
        files.private_folder(self.folder)
        for name in ("etc", "images", "staging", "tasks", "lock"):
            files.private_folder(self.folder / name)


def glance(url: str, keystone_url: str | None = None, password: str = "") -> dict[str, str]:
    """Glance's configuration folder: file names and contents.

    :param url: the address of Glance.
    :param keystone_url: a Keystone to ask; without it every user is an administrator.
    :param password: of the service's user in Keystone.
    """
    layout = GlanceFolders(HERE)
    api: dict[str, dict[str, object]] = {
        "DEFAULT": {
            "enabled_backends": "fs:file",
            "enabled_import_methods": "[glance-direct,web-download,copy-image]",
            "worker_self_reference_url": url,
            "public_endpoint": url,
            "node_staging_uri": f"file://{layout.folder}/staging",
        },
        "database": {"connection": _sqlite(layout.database)},
        "glance_store": {"default_backend": "fs"},
        "fs": {"filesystem_store_datadir": layout.images},
        "os_glance_staging_store": {"filesystem_store_datadir": layout.folder / "staging"},
        "os_glance_tasks_store": {"filesystem_store_datadir": layout.folder / "tasks"},
        "oslo_concurrency": {"lock_path": layout.folder / "lock"},
        # Where it looks for the certificates of signed images, as there is no Barbican.
        "key_manager": {"backend": "kollarm_certificates.CertificateFolder"},
        "paste_deploy": {"config_file": layout.etc / "glance-api-paste.ini"},
    }
    if keystone_url:
        api["keystone_authtoken"] = {
            "www_authenticate_uri": keystone_url,
            "auth_url": keystone_url,
            "auth_type": "password",
            "username": SERVICE,
            "password": password,
            "project_name": "service",
            "user_domain_id": "default",
            "project_domain_id": "default",
        }
    # The square brackets are required; without them every URI is refused. An empty
    # allowed_ports allows all ports of this host, for the servers of tests.
    web_download = {
        "import_filtering_opts": {
            "allowed_schemes": "[http,https]",
            "allowed_hosts": "[127.0.0.1,localhost]",
            "allowed_ports": "[]",
        }
    }
    return {
        "glance-api.conf": ini(api),
        "glance-image-import.conf": ini(web_download),
        # A short form of the file in distributions: properties that an administrator restricts.
        "schema-image.json": json.dumps(dict.fromkeys(("kernel_id", "ramdisk_id"), _IMAGE_ID)),
        "glance-api-paste.ini": _paste("authtoken" if keystone_url else "kollarm-identity"),
    }


def keystone(url: str) -> dict[str, str]:
    """Keystone's configuration folder; its database and keys are in its folder."""
    keys = HERE / "keys"
    return {
        "keystone.conf": ini(
            {
                "DEFAULT": {"public_endpoint": url},
                "database": {"connection": _sqlite(HERE / "keystone.sqlite")},
                "fernet_tokens": {"key_repository": keys / "fernet"},
                # Of multi-factor logins. Keystone doesn't start without it, and reads it from
                # /etc/keystone by default.
                "fernet_receipts": {"key_repository": keys / "fernet"},
                "credential": {"key_repository": keys / "credential"},
                # There is no memcached, and one process needs no shared cache.
                "cache": {"enabled": False},
            }
        )
    }


def clouds(glance_url: str, keystone_url: str | None = None, password: str = "") -> str:
    """A clouds.yaml (openstacksdk's format) with the one cloud :data:`CLOUD`.

    :param password: the administrator's, in Keystone.
    """
    if keystone_url is None:
        cloud: dict[str, object] = {
            "auth_type": "none",
            "auth": {"endpoint": glance_url},
            "image_endpoint_override": glance_url,
        }
    else:
        cloud = {
            "auth_type": "password",
            "auth": {
                "auth_url": f"{keystone_url}/v3",
                "username": ADMINISTRATOR,
                "password": password,
                "project_name": "admin",
                "user_domain_id": "default",
                "project_domain_id": "default",
            },
            "region_name": "RegionOne",
        }
    return yaml.safe_dump({"clouds": {CLOUD: cloud}}, sort_keys=False)


def _paste(identity: str) -> str:
    """Glance's own WSGI pipeline, with the filter that identifies the user."""
    return ini(
        {
            "composite:glance-api": {
                "paste.composite_factory": "glance.api:root_app_factory",
                "/": "api",
            },
            "pipeline:api": {
                "pipeline": f"http_proxy_to_wsgi versionnegotiation {identity} context rootapp"
            },
            "composite:rootapp": {
                "paste.composite_factory": "glance.api:root_app_factory",
                "/": "apiversions",
                "/v2": "apiv2app",
            },
            "app:apiversions": {"paste.app_factory": "glance.api.versions:create_resource"},
            "app:apiv2app": {"paste.app_factory": "glance.api.v2.router:API.factory"},
            "filter:http_proxy_to_wsgi": {
                "paste.filter_factory": "oslo_middleware:HTTPProxyToWSGI.factory"
            },
            "filter:versionnegotiation": {
                "paste.filter_factory": "glance.api.middleware.version_negotiation:"
                "VersionNegotiationFilter.factory"
            },
            "filter:context": {
                "paste.filter_factory": "glance.api.middleware.context:ContextMiddleware.factory"
            },
            "filter:authtoken": {
                "paste.filter_factory": "keystonemiddleware.auth_token:filter_factory",
                "delay_auth_decision": "true",
            },
            "filter:kollarm-identity": {"paste.filter_factory": "kollarm_identity:filter_factory"},
        }
    )


def _sqlite(path: Path) -> str:
    # Seconds to wait for another thread's transaction, instead of "database is locked".
    return f"sqlite:///{path}?timeout=60"


def ini(sections: Ini) -> str:
    """Sections and options as a configuration file of oslo.config."""
    blocks = []
    for name, options in sections.items():
        # oslo.config puts an option's value in the place of $ and its name.
        lines = [f"{key} = {str(value).replace('$', '$$')}" for key, value in options.items()]
        blocks.append("\n".join([f"[{name}]", *lines]))
    return "\n\n".join(blocks) + "\n"
