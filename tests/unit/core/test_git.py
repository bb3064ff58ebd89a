"""Addresses of repositories: no option, no command, no password."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.addresses import has_user, without_user
from core.git import GitAddressError, check_address, check_reference

REFUSED = (
    "",
    "--upload-pack=touch x;:",
    "-c core.sshCommand=x",
    "-oProxyCommand=x:y",
    "ext::sh -c touch% x",
    "fd::17",
    "EXT::sh",
    "HTTPS://user:s3cret@host/x",
    "https://user:s3cret@host/x",
    "https://s3cret@host/x",
    "ssh://user:s3cret@host/x",
    "ftp://host/x",
    "https://host/x\n--upload-pack=y",
)


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_no_plain_address_is_refused(address: str) -> None:
    with pytest.raises(GitAddressError) as caught:
        check_address(address)
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    "address",
    [
        "https://opendev.org/openstack/kolla",
        "ssh://git@host:22/x.git",
        "git@host:x/y.git",
        "git://host/x",
        "/srv/my repositories/kolla",
        "file:///srv/kolla",
        "[::1]:x.git",
    ],
)
def test_plain_addresses_pass(address: str) -> None:
    check_address(address)


@given(st.text(max_size=5), st.text(max_size=8))
def test_no_reference_is_an_option(before: str, name: str) -> None:
    for reference in (f"-{name}", f"{before} {name}", f"{before}\n{name}"):
        with pytest.raises(GitAddressError):
            check_reference(reference)


@pytest.mark.parametrize("name", ["stable/2026.1", "v1.0", "HEAD~2", "ünï", "refs/changes/1/2"])
def test_plain_references_pass(name: str) -> None:
    check_reference(name)


@given(st.text("ab:/@%-é", max_size=8), st.sampled_from(["https", "ssh", "http"]))
def test_no_user_is_shown(user: str, scheme: str) -> None:
    url = f"{scheme}://{user.replace('/', '')}s3cret@host/path?x=1"
    assert has_user(url)
    assert without_user(url) == f"{scheme}://host/path?x=1"
    assert without_user("https://host/a@b") == "https://host/a@b"
