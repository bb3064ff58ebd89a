"""A bill of materials in SPDX 2.3, from the package databases of what was made.

Format: https://spdx.github.io/spdx-spec/v2.3/; package URLs:
https://github.com/package-url/purl-spec.  Neither says how a scanner learns which
distribution's advisories hold for a package, and where its source package is named.
What is written for that is what scanners read: the qualifiers ``distro`` and
``upstream`` (Syft and Grype), a package ``SPDXRef-OperatingSystem`` and a
``sourceInfo`` that begins with "built package from" (Trivy).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from packageurl import PackageURL

from core.errors import KollarmError
from core.json_object import json_object
from core.python_packages import normalized
from core.version import __version__

MEDIA_TYPE = "application/spdx+json"


class BilledThing(StrEnum):
    """What a bill of materials is about, by SPDX's words for a package's purpose."""

    IMAGE = "CONTAINER"
    DISK = "FILE"


@dataclass(frozen=True)
class OperatingSystem:
    """A distribution and its release, as os-release names them."""

    id: str
    """ID; empty when unknown."""
    version: str = ""
    """VERSION_ID; empty for a release without one, such as Debian's sid."""

    @property
    def distro(self) -> str:
        """The value of package URLs' qualifier (``debian-12``)."""
        return f"{self.id}-{self.version}" if self.version else self.id


UNKNOWN_SYSTEM = OperatingSystem("")


@dataclass(frozen=True, order=True)
class BomPackage:
    """An installed package."""

    kind: str
    """``deb``, ``rpm`` or ``pypi``, package URL's types."""
    name: str
    version: str
    """With the epoch, where there is one (``1:2.3-4``)."""
    architecture: str = ""
    source: str = ""
    """Of a distribution's package, what it was built from: a Debian source package's name, or
    an RPM's source file. Empty for a Debian package that is named like its source."""
    source_version: str = ""
    """Of a Debian source package; empty when it is the package's own."""

    @property
    def source_package(self) -> tuple[str, str]:
        """The name and version of the source package; both empty when unknown."""
        if self.kind == "rpm":  # NAME-VERSION-RELEASE.src.rpm
            parts = re.sub(r"\.(no)?src\.rpm$", "", self.source).rsplit("-", 2)
            return (parts[0], "-".join(parts[1:])) if len(parts) == 3 else ("", "")
        if self.kind == "deb":
            return self.source or self.name, self.source_version or self.version
        return "", ""

    def url(self, system: OperatingSystem) -> str:
        """Its package URL; empty for a name that no package has.

        :param system: of the distribution that it is installed in.
        """
        if not _NAME.fullmatch(self.name):
            return ""
        if self.kind == "pypi":
            return PackageURL("pypi", None, normalized(self.name), self.version).to_string()
        epoch, version = "", self.version
        if self.kind == "rpm":
            epoch, _, version = version.rpartition(":")
        upstream = f"{self.source}@{self.source_version}" if self.source_version else self.source
        qualifiers = {
            "arch": self.architecture,
            "distro": system.distro,
            "epoch": epoch,
            "upstream": upstream,
        }
        return PackageURL(
            self.kind, system.id.lower() or None, self.name, version, qualifiers
        ).to_string()


#: What dpkg, rpm and pip let a package be called.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]*")


def debian_packages(status: str) -> list[BomPackage]:
    """The installed packages of a dpkg status file's text."""
    from debian.deb822 import Deb822  # noqa: PLC0415 - brings the whole of libapt along

    readable = status.encode("utf-8", "replace").decode("utf-8")
    found = []
    for paragraph in Deb822.iter_paragraphs(readable.splitlines(), use_apt_pkg=False):
        if "Package" in paragraph and paragraph.get("Status", "").split()[-1:] == ["installed"]:
            source, _, source_version = paragraph.get("Source", "").partition(" ")
            found.append(
                BomPackage(
                    "deb",
                    paragraph["Package"],
                    paragraph.get("Version", ""),
                    paragraph.get("Architecture", ""),
                    source,
                    source_version.strip().strip("()"),
                )
            )
    return found


#: What ``rpm -qa`` is asked for; a package is a line.
RPM_QUERY = r"%{NAME}\t%{EPOCH}\t%{VERSION}-%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\n"


def rpm_packages(listed: str) -> list[BomPackage]:
    """The packages of ``rpm -qa --queryformat`` :data:`RPM_QUERY`."""
    found = []
    for line in listed.splitlines():
        fields = [field if field != "(none)" else "" for field in line.split("\t")]
        if len(fields) != 5 or fields[0] == "gpg-pubkey":  # a trusted key is listed like a package
            continue
        name, epoch, version, architecture, source = fields
        found.append(
            BomPackage(
                "rpm", name, f"{epoch}:{version}" if epoch else version, architecture, source
            )
        )
    return found


def python_package(metadata: str) -> BomPackage | None:
    """The package that a ``.dist-info/METADATA`` file describes; None when it names none."""
    head = metadata.partition("\n\n")[0]
    fields = dict(re.findall(r"^(Name|Version):[ \t]*(\S+)[ \t\r]*$", head, re.MULTILINE))
    if "Name" not in fields:
        return None
    return BomPackage("pypi", fields["Name"], fields.get("Version", ""))


def packages_about(content: bytes, sha256: str) -> list[BomPackage]:
    """The installed packages in a bill of materials, by their package URLs.

    :param sha256: of the thing that it has to be about.
    :raises KollarmError: it is not a bill of materials of this thing.
    """
    packages = json_object(content, "the bill of materials").get("packages")
    subject = packages[0] if isinstance(packages, list) and packages else None
    checksums = subject.get("checksums") if isinstance(subject, dict) else None
    wanted = {"algorithm": "SHA256", "checksumValue": sha256}
    if not isinstance(packages, list) or not isinstance(checksums, list) or wanted not in checksums:
        raise KollarmError("the bill of materials is about something else")
    return sorted(package for one in packages for package in _listed(one))


def _listed(package: object) -> Iterator[BomPackage]:
    references = package.get("externalRefs") if isinstance(package, dict) else None
    for one in references if isinstance(references, list) else ():
        url = one.get("referenceLocator") if isinstance(one, dict) else None
        if not isinstance(url, str) or not url.startswith("pkg:"):
            continue
        try:
            found = PackageURL.from_string(url)
        except ValueError:
            continue
        qualifiers = found.qualifiers if isinstance(found.qualifiers, dict) else {}
        epoch = f"{qualifiers['epoch']}:" if "epoch" in qualifiers else ""
        version = f"{epoch}{found.version or ''}"
        yield BomPackage(found.type, found.name, version, qualifiers.get("arch", ""))


def document(
    name: str,
    sha256: str,
    packages: Iterable[BomPackage],
    *,
    about: BilledThing = BilledThing.IMAGE,
    system: OperatingSystem = UNKNOWN_SYSTEM,
) -> dict[str, object]:
    """An SPDX document that describes one thing and what it contains.

    :param sha256: of the thing.
    :param system: the distribution that is installed in it.
    """
    subject = {
        "SPDXID": "SPDXRef-Subject",
        "name": name,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "primaryPackagePurpose": about.value,
        "checksums": [{"algorithm": "SHA256", "checksumValue": sha256}],
    }
    contained = [_entry(number, one, system) for number, one in enumerate(sorted(set(packages)), 1)]
    if system.id:
        contained.insert(0, _system_entry(system))
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"urn:uuid:{uuid.uuid4()}",
        "creationInfo": {
            "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": [f"Tool: kollarm-{__version__}"],
        },
        "packages": [subject, *contained],
        "relationships": [
            _relationship("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Subject"),
            *(
                _relationship("SPDXRef-Subject", "CONTAINS", str(one["SPDXID"]))
                for one in contained
            ),
        ],
    }


def _system_entry(system: OperatingSystem) -> dict[str, object]:
    return {
        "SPDXID": "SPDXRef-OperatingSystem",
        "name": system.id,
        **({"versionInfo": system.version} if system.version else {}),
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
    }


def _entry(number: int, package: BomPackage, system: OperatingSystem) -> dict[str, object]:
    source, url = " ".join(package.source_package).strip(), package.url(system)
    reference = {
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": url,
    }
    return {
        "SPDXID": f"SPDXRef-Package-{number}",
        "name": package.name,
        "versionInfo": package.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        **({"sourceInfo": f"built package from: {source}"} if source else {}),
        **({"externalRefs": [reference]} if url else {}),
    }


def _relationship(subject: str, kind: str, thing: str) -> dict[str, str]:
    return {"spdxElementId": subject, "relationshipType": kind, "relatedSpdxElement": thing}
