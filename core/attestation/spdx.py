"""A bill of materials in SPDX 2.3, from the package databases of what was made.

Format: https://spdx.github.io/spdx-spec/v2.3/; package URLs:
https://github.com/package-url/purl-spec.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from core.errors import KollarmError
from core.json_object import json_object
from core.version import __version__

MEDIA_TYPE = "application/spdx+json"


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
    """Of a distribution's package, the source it was built from."""

    def url(self, distribution: str) -> str:
        """Its package URL; *distribution* is os-release's ID."""
        version = quote(self.version, safe="")
        if self.kind == "pypi":
            return f"pkg:pypi/{re.sub(r'[-_.]+', '-', self.name).lower()}@{version}"
        qualifiers = {"arch": self.architecture}
        if self.kind == "rpm":
            epoch, _, rest = self.version.rpartition(":")
            version, qualifiers["epoch"] = quote(rest, safe=""), epoch
        place = f"{quote(distribution, safe='')}/" if distribution else ""
        extra = urlencode({name: value for name, value in qualifiers.items() if value})
        named = f"pkg:{self.kind}/{place}{quote(self.name, safe='')}@{version}"
        return f"{named}?{extra}" if extra else named


def debian_packages(status: str) -> list[BomPackage]:
    """The installed packages of a dpkg status file's text."""
    from debian.deb822 import Deb822  # noqa: PLC0415 - brings the whole of libapt along

    readable = status.encode("utf-8", "replace").decode("utf-8")
    return [
        BomPackage(
            "deb",
            paragraph["Package"],
            paragraph.get("Version", ""),
            paragraph.get("Architecture", ""),
            paragraph.get("Source", "").partition(" ")[0],
        )
        for paragraph in Deb822.iter_paragraphs(readable.splitlines(), use_apt_pkg=False)
        if "Package" in paragraph and paragraph.get("Status", "").split()[-1:] == ["installed"]
    ]


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


def packages_about(content: bytes, sha256: str) -> list[object]:
    """The packages in a bill of materials, the first of which is the thing itself.

    :param sha256: of the thing.
    :raises KollarmError: it is not a bill of materials of this thing.
    """
    packages = json_object(content, "the bill of materials").get("packages")
    subject = packages[0] if isinstance(packages, list) and packages else None
    checksums = subject.get("checksums") if isinstance(subject, dict) else None
    wanted = {"algorithm": "SHA256", "checksumValue": sha256}
    if not isinstance(packages, list) or not isinstance(checksums, list) or wanted not in checksums:
        raise KollarmError("the bill of materials is about something else")
    return packages


def document(
    name: str, sha256: str, packages: Iterable[BomPackage], *, distribution: str = ""
) -> dict[str, object]:
    """An SPDX document that describes one thing and what it contains.

    :param sha256: of the thing; the document's namespace is made of it.
    """
    listed = [
        {
            "SPDXID": f"SPDXRef-Package-{number}",
            "name": package.name,
            "versionInfo": package.version,
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            **({"sourceInfo": f"built from {package.source}"} if package.source else {}),
            "externalRefs": [
                {
                    "referenceCategory": "PACKAGE-MANAGER",
                    "referenceType": "purl",
                    "referenceLocator": package.url(distribution),
                }
            ],
        }
        for number, package in enumerate(sorted(set(packages)), 1)
    ]
    subject = {
        "SPDXID": "SPDXRef-Subject",
        "name": name,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "checksums": [{"algorithm": "SHA256", "checksumValue": sha256}],
    }
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"urn:kollarm:spdx:sha256:{sha256}",
        "creationInfo": {
            "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": [f"Tool: kollarm-{__version__}"],
        },
        "packages": [subject, *listed],
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": "SPDXRef-Subject",
            },
            *(
                {
                    "spdxElementId": "SPDXRef-Subject",
                    "relationshipType": "CONTAINS",
                    "relatedSpdxElement": one["SPDXID"],
                }
                for one in listed
            ),
        ],
    }
