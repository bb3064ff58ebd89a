"""The certificate authorities to trust.

A company's proxy that inspects TLS, or a private registry, has its own CA, set in the
configuration (``ca_bundle``) or in the variables that the usual tools read.  This process,
the commands that it runs and the container builds then trust it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ConfigError

if TYPE_CHECKING:
    import requests

#: Read in this order; each holds the path of a PEM file.
VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "PIP_CERT")


def bundle(configured: Path | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The PEM file of the authorities to trust; None for the system's default.

    :param configured: the configuration's ``ca_bundle``, which takes precedence.
    :raises ConfigError: the configured file is missing or holds no certificate.
    """
    if configured is not None:
        try:
            text = configured.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise ConfigError(
                f"ca_bundle {configured} can't be read: {error.strerror}",
                hint="name a PEM file with the certificates to trust",
            ) from error
        if "-----BEGIN CERTIFICATE-----" not in text:
            raise ConfigError(
                f"ca_bundle {configured} holds no PEM certificate",
                hint="convert it with: openssl x509 -inform der -in FILE -out FILE.pem",
            )
        return configured
    for name in VARIABLES:
        named = environ.get(name)
        if named and Path(named).is_file():
            return Path(named)
    return None


def hint(error: BaseException, usual: str) -> str:
    """The hint for a server that can't be reached.

    :param usual: the hint if the dates of its certificate aren't the cause.
    """
    text = str(error)
    if "certificate is not yet valid" in text or "certificate has expired" in text:
        now = datetime.now(UTC)
        return (
            f"this machine's clock says {now:%a, %d %b %Y %H:%M} UTC: set it if that is wrong, "
            "else the server needs a new certificate"
        )
    return usual


def apply(configured: Path | None) -> None:
    """Make this process, and the commands that it runs, trust the configured authorities."""
    if configured is not None:
        chosen = bundle(configured)
        for name in VARIABLES:
            os.environ[name] = str(chosen)


def no_stored_password(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """For a session's ``auth``: leave its requests as they are.

    Without it requests adds the password that ``~/.netrc`` has for the host, in place of any
    other authorization.  Proxies and authorities still come from the environment.
    """
    return request
