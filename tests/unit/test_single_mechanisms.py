"""What is done in one place is done in no other."""

from __future__ import annotations

import re

import pytest

from core.paths import project_dir

PACKAGES = ("core", "builder", "guestprep", "deploy", "kollarm", "testbed")


@pytest.mark.parametrize(
    ("words", "places"),
    [
        (r"get_close_matches", {"core/suggest.py"}),
        (r"[\"']pkg:", {"core/attestation/spdx.py"}),
        (r"\bPackageURL\(", {"core/attestation/spdx.py"}),
        (r"qemu-img\", \"info", {"guestprep/source/disk.py"}),
        # Bodies of any size: files from web servers; what a registry and a token service answer,
        # with a bound and authorization; and images of a cloud, with its session.
        (
            r"iter_content",
            {
                "core/download.py",
                "core/oci/auth.py",
                "core/oci/transport.py",
                "guestprep/publish/cloud.py",
            },
        ),
        (r"urlopen|urlretrieve", set()),
    ],
)
def test_one_place_for_each(words: str, places: set[str]) -> None:
    root = project_dir()
    found = {
        str(path.relative_to(root))
        for package in PACKAGES
        for path in (root / package).rglob("*.py")
        if re.search(words, path.read_text(encoding="utf-8"))
    }
    assert found == places
