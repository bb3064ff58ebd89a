"""The release of a pulled base image, which the image itself names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.native.tools import codename


@pytest.mark.parametrize(
    "text", ["VERSION_CODENAME=trixie", 'ID=debian\nVERSION_CODENAME="trixie"\n']
)
def test_the_codename_of_a_release(text: str) -> None:
    assert codename(text) == "trixie"


@pytest.mark.parametrize(
    "name", ["../../etc", "--hook=x", "a b", "a\\nSuites: b", "", '"', "A", "trixie/updates", "-x"]
)
def test_a_name_that_is_no_word_is_ignored(name: str) -> None:
    assert codename(f"VERSION_CODENAME={name}\n") is None


@given(st.text())
def test_nothing_but_letters_comes_out(name: str) -> None:
    found = codename(f"VERSION_CODENAME={name}")
    assert found is None or re.fullmatch("[a-z]+", found)
