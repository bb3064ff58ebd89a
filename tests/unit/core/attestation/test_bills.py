"""Bills of materials: package URLs, and documents as the specification wants them."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from core.attestation import spdx
from core.attestation.spdx import BilledThing, BomPackage, OperatingSystem
from core.errors import KollarmError
from tests.support.preparation import STATUS

BOOKWORM, ROCKY = OperatingSystem("debian", "12"), OperatingSystem("rocky", "9.5")
SHA256 = "ab" * 32

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
packages = st.builds(
    BomPackage,
    st.sampled_from(["deb", "rpm", "pypi"]),
    st.one_of(words, st.text(string.ascii_letters + string.digits + "+._~-", min_size=1)),
    words,
    words,
    words,
    words,
)


def test_installed_packages_only() -> None:
    [package] = spdx.debian_packages(STATUS)
    assert package == BomPackage("deb", "libc6", "1:2.27-3ubuntu1", "arm64", "glibc", "2.27-3")


@pytest.mark.parametrize(
    ("package", "system", "url"),
    [
        (
            BomPackage("deb", "libc6", "1:2.27-3ubuntu1", "arm64", "glibc", "2.27-3"),
            OperatingSystem("ubuntu", "18.04"),
            "pkg:deb/ubuntu/libc6@1:2.27-3ubuntu1"
            "?arch=arm64&distro=ubuntu-18.04&upstream=glibc%402.27-3",
        ),
        (
            BomPackage("deb", "libc-bin", "2.36-9+deb12u1", "amd64", "glibc"),
            BOOKWORM,
            "pkg:deb/debian/libc-bin@2.36-9%2Bdeb12u1?arch=amd64&distro=debian-12&upstream=glibc",
        ),
        (
            BomPackage("deb", "acl", "1", "arm64"),
            OperatingSystem("debian"),
            "pkg:deb/debian/acl@1?arch=arm64&distro=debian",
        ),
        (BomPackage("deb", "acl", "1", "arm64"), OperatingSystem(""), "pkg:deb/acl@1?arch=arm64"),
        (
            BomPackage("rpm", "vim", "2:8.2-1.el9", "aarch64", "vim-8.2-1.el9.src.rpm"),
            ROCKY,
            "pkg:rpm/rocky/vim@8.2-1.el9"
            "?arch=aarch64&distro=rocky-9.5&epoch=2&upstream=vim-8.2-1.el9.src.rpm",
        ),
        (BomPackage("pypi", "Foo_Bar.baz", "1.0"), BOOKWORM, "pkg:pypi/foo-bar-baz@1.0"),
    ],
)
def test_package_urls(package: BomPackage, system: OperatingSystem, url: str) -> None:
    assert package.url(system) == url
    assert PackageURL.from_string(url).to_string() == url


@pytest.mark.parametrize(
    ("package", "source"),
    [
        (BomPackage("deb", "acl", "1"), ("acl", "1")),
        (BomPackage("deb", "libc6", "2", "", "glibc", "1"), ("glibc", "1")),
        (BomPackage("rpm", "vim", "1", "", "g-vim-8.2-1.el9.src.rpm"), ("g-vim", "8.2-1.el9")),
        (BomPackage("rpm", "gpg-key", "1"), ("", "")),
        (BomPackage("pypi", "x", "1"), ("", "")),
    ],
)
def test_source_packages(package: BomPackage, source: tuple[str, str]) -> None:
    assert package.source_package == source


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ("Name: Foo\nVersion: 1.0\n\nName: other\n", BomPackage("pypi", "Foo", "1.0")),
        ("Version: 1.0\n", None),
        ("", None),
    ],
)
def test_python_packages(metadata: str, found: BomPackage | None) -> None:
    assert spdx.python_package(metadata) == found


@given(st.lists(packages, max_size=5), words, words, st.sampled_from(BilledThing))
def test_any_package_is_listed(
    some: list[BomPackage], id: str, version: str, about: BilledThing
) -> None:
    system = OperatingSystem(id, version)
    document = spdx.document("x", SHA256, some, about=about, system=system)
    listed = document["packages"]
    assert isinstance(listed, list)
    assert len(listed) == 1 + bool(id) + len(set(some))
    urls = [url for one in set(some) if (url := one.url(system))]
    assert all(PackageURL.from_string(url).to_string() == url for url in urls)
    assert len(spdx.packages_about(json.dumps(document).encode(), SHA256)) == len(urls)


@pytest.mark.parametrize("system", [BOOKWORM, OperatingSystem("debian"), OperatingSystem("")])
@pytest.mark.parametrize("about", BilledThing)
def test_documents_are_valid(system: OperatingSystem, about: BilledThing) -> None:
    some = [*spdx.debian_packages(STATUS), BomPackage("pypi", "Foo", "1.0")]
    document = spdx.document("kolla/x:1", SHA256, some, about=about, system=system)
    parsed = JsonLikeDictParser().parse(document)  # type: ignore[no-untyped-call]
    assert validate_full_spdx_document(parsed) == []
    again = spdx.document("kolla/x:1", SHA256, some, about=about, system=system)
    assert document["documentNamespace"] != again["documentNamespace"]


def test_a_bill_is_read_back() -> None:
    some = [
        BomPackage("deb", "libc6", "1:2.27-3ubuntu1", "arm64", "glibc", "2.27-3"),
        BomPackage("rpm", "vim", "2:8.2-1.el9", "aarch64", "vim-8.2-1.el9.src.rpm"),
    ]
    content = json.dumps(spdx.document("x", SHA256, some, system=BOOKWORM)).encode()
    assert spdx.packages_about(content, SHA256) == [
        BomPackage("deb", "libc6", "1:2.27-3ubuntu1", "arm64"),
        BomPackage("rpm", "vim", "2:8.2-1.el9", "aarch64"),
    ]
    with pytest.raises(KollarmError, match="something else"):
        spdx.packages_about(content, "cd" * 32)
