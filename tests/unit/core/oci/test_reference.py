"""Taking the names of images apart."""

from __future__ import annotations

import pytest

from core.oci.reference import ImageReference, parse

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("debian:trixie", ("docker.io", "library/debian", "trixie")),
        ("debian", ("docker.io", "library/debian", "latest")),
        (f"debian@{DIGEST}", ("docker.io", "library/debian", DIGEST)),
        ("docker.io/debian:sid", ("docker.io", "library/debian", "sid")),
        ("kolla/base:t", ("docker.io", "kolla/base", "t")),
        ("quay.io/a/b/c:t", ("quay.io", "a/b/c", "t")),
        ("localhost/a:t", ("localhost", "a", "t")),
        ("host:5000/a", ("host:5000", "a", "latest")),
        (f"host:5000/a:t@{DIGEST}", ("host:5000", "a", DIGEST)),
    ],
)
def test_names_have_three_parts(text: str, parts: tuple[str, str, str]) -> None:
    assert parse(text) == ImageReference(*parts)
