"""Which certificate authorities are trusted.

A company's proxy that inspects TLS, or a private registry, has a CA of its own.
It is named in the configuration (``ca_bundle``) or in the variables that the
usual tools read, and then holds for this process, the commands it runs and the
container builds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from core.errors import ConfigError

#: Read in this order; each holds the path of a PEM file.
VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "PIP_CERT")


def bundle(configured: Path | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The PEM file of the authorities to trust; None for the system's own choice.

    :param configured: the configuration's ``ca_bundle``, which wins.
    :raises ConfigError: the configured file is missing or holds no certificate.
    """
    if configured is not None:
        try:
            text = configured.read_text(errors="replace")
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
    """What to do about a server that can't be reached.

    :param usual: what to do when it isn't for a certificate's dates.
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
    """Make the configured authorities those of this process and of what it runs."""
    if configured is not None:
        chosen = bundle(configured)
        for name in VARIABLES:
            os.environ[name] = str(chosen)
