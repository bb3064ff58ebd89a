"""A local, signed apt archive (https://wiki.debian.org/DebianRepository/Format)."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Sequence
from pathlib import Path

from core.run import run

#: The suffixes of an Ubuntu release's suites; the packages are in the first suite.
POCKETS = ("", "-updates", "-security")


def publish(archive: Path, keyring: Path, codename: str, *, pool: str = "pool/main") -> None:
    """Index and sign an archive whose packages are already in *pool*.

    The key is made for this archive, and its private part is deleted.

    :param keyring: the file to write the public key to, for gpgv and apt's Signed-By.
    """
    with tempfile.TemporaryDirectory(prefix="kollarm-key-") as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--yes", "--quiet"]
        run([*gpg, "--passphrase", "", "--quick-gen-key", "kollarm test archive", "rsa3072"])
        run([*gpg, "--output", keyring, "--export"])
        for pocket in POCKETS:
            _suite(archive, codename + pocket, "" if pocket else pool, gpg)
        run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


def _suite(archive: Path, suite: str, pool: str, gpg: Sequence[str]) -> None:
    folder = archive / "dists" / suite
    for component in ("main", "universe"):
        index = folder / component / "binary-arm64"
        index.mkdir(parents=True)
        text = ""
        if pool and component == "main":
            text = run(["apt-ftparchive", "packages", pool], cwd=archive).stdout
        (index / "Packages").write_text(text)
        (index / "Packages.gz").write_bytes(gzip.compress(text.encode()))
    fields = {
        "Origin": "kollarm",
        "Label": "kollarm test archive",
        "Suite": suite,
        "Codename": suite,
        "Architectures": "arm64",
        "Components": "main universe",
        "Description": "packages of a kollarm test image",
    }
    options = [
        word
        for key, value in fields.items()
        for word in ("-o", f"APT::FTPArchive::Release::{key}={value}")
    ]
    release = run(["apt-ftparchive", *options, "release", folder]).stdout
    (folder / "Release").write_text(release)
    run([*gpg, "--clearsign", "--output", folder / "InRelease", folder / "Release"])
    run([*gpg, "--armor", "--detach-sign", "--output", folder / "Release.gpg", folder / "Release"])
