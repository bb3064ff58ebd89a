"""The certificate authorities that an image needs besides its distribution's own.

A bundle is often the whole store of a system with one company's CA added.  Only
authorities in no distribution's own store are worth copying into an image: the
others come with its ca-certificates package.
"""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

#: Where Debian and Ubuntu keep the authorities of their own ca-certificates package.
DISTRIBUTION = Path("/usr/share/ca-certificates")

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s+(.*?)-----END CERTIFICATE-----", re.DOTALL)


def split(text: str) -> dict[str, bytes]:
    """The certificates of a PEM bundle: SHA256 of each in hexadecimal → its DER bytes."""
    found = {}
    for match in _PEM.finditer(text):
        der = base64.b64decode("".join(match[1].split()))
        found[hashlib.sha256(der).hexdigest()] = der
    return found


def public_bundles() -> list[Path]:
    """Files of publicly known authorities on this machine: the distribution's, else certifi's.

    certifi comes second because people do append their own authorities to its file.
    """
    found = sorted(DISTRIBUTION.rglob("*.crt"))
    if not found and (spec := find_spec("certifi")) is not None and spec.origin is not None:
        # beside the module, not through certifi.where(): in distributions' packages that
        # gives the system's store, which holds the local authorities too
        found = [path for path in [Path(spec.origin).parent / "cacert.pem"] if path.is_file()]
    return found


def extra(bundle: Path | None, known: Iterable[Path] | None = None) -> dict[str, bytes]:
    """The bundle's certificates that are in no public store.

    :param bundle: a PEM file; None gives nothing.
    :param known: PEM files of public authorities; by default this machine's.
    :returns: file name (named by content) → PEM.
    """
    if bundle is None:
        return {}
    public: set[str] = set()
    for path in public_bundles() if known is None else known:
        public.update(split(path.read_text(encoding="utf-8", errors="replace")))
    return {
        f"extra-{digest[:16]}.crt": ssl.DER_cert_to_PEM_cert(der).encode()
        for digest, der in sorted(
            split(bundle.read_text(encoding="utf-8", errors="replace")).items()
        )
        if digest not in public
    }
