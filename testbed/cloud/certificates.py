"""Certificates of the guests' VNC servers, and of the console proxy, which alone is let in.

The servers listen on TCP, where every user of the machine can connect. The files' names are those
that QEMU expects: https://www.qemu.org/docs/master/system/vnc-security.html.
"""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from core import files

#: What a certificate is for, and so the first part of its files' names.
USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}

_LIFETIME = datetime.timedelta(days=3650)


def make(folder: Path) -> Path:
    """Make an authority and its two certificates, if they are missing; return the folder.

    The authority's own key isn't kept.
    """
    authority = folder / "ca-cert.pem"
    if not authority.exists():
        files.private_folder(folder)
        issuer = ec.generate_private_key(ec.SECP256R1())
        signs = x509.BasicConstraints(ca=True, path_length=0)
        text = _certificate("authority", issuer, issuer, [(signs, True), (_usage(ca=True), True)])
        for name, usage in USAGES.items():
            key = ec.generate_private_key(ec.SECP256R1())
            extended = x509.ExtendedKeyUsage([usage])
            certificate = _certificate(
                name, key, issuer, [(_usage(ca=False), True), (extended, False)]
            )
            files.write(folder / f"{name}-cert.pem", certificate)
            files.write(folder / f"{name}-key.pem", _pem(key), mode=0o600)
        files.write(authority, text)
    return folder


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: ec.EllipticCurvePrivateKey,
    extensions: list[tuple[x509.ExtensionType, bool]],
) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        issuer_name=_name("authority"),
        subject_name=_name(name),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - datetime.timedelta(days=1),
        not_valid_after=now + _LIFETIME,
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    certificate = builder.sign(issuer, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM)


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"kollarm dev-cloud {name}")])


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
