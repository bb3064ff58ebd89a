"""What an engine says of itself."""

from __future__ import annotations

import pytest

from builder.engines.connection import takes_plain_http


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("registry.example.org:5000", False),
        ("lab.example.org:5000", True),
        ("hub.example.org:5000", False),
        ("192.0.2.7:5000", False),
        ("127.0.0.1:5000", True),
        ("[::1]:5000", True),
        ("[2001:db8::1]:5000", False),
        ("2001:db8::1", False),
    ],
)
def test_registries_that_it_speaks_plain_http_with(address: str, taken: bool) -> None:
    """As engines of versions 20.10 and 28 answer, with two addresses listed or known."""
    names = {
        "lab.example.org:5000": {"Name": "lab.example.org:5000", "Secure": False},
        "hub.example.org:5000": {"Name": "hub.example.org:5000", "Secure": True},
    }
    info = {
        "RegistryConfig": {
            "IndexConfigs": names,
            "InsecureRegistryCIDRs": ["127.0.0.0/8", "::1/128"],
        }
    }
    assert takes_plain_http(info, address) is taken


def test_a_listed_network() -> None:
    """The engine resolves names itself, perhaps into that network."""
    info = {"RegistryConfig": {"InsecureRegistryCIDRs": ["127.0.0.0/8", "192.0.2.0/24"]}}
    assert takes_plain_http(info, "192.0.2.7:5000")
    assert not takes_plain_http(info, "198.51.100.7:5000")
    assert takes_plain_http(info, "registry.example.org:5000")


def test_an_engine_that_says_nothing() -> None:
    assert not takes_plain_http({}, "192.0.2.7:5000")
