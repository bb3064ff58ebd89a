"""Passwords in the addresses that a text holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.addresses import redacted
from core.errors import CommandError, KollarmError

SECRETS = st.text(
    st.characters(codec="ascii", exclude_categories=("Cc", "Zs"), exclude_characters="/\"'<>"),
    min_size=1,
).map(lambda text: f"planted{text}")


@given(
    secret=SECRETS,
    scheme=st.sampled_from(["http", "https", "HTTP", "socks5h", "git+https", "amqp"]),
    user=st.sampled_from(["", "ann", "a%40b", "-"]),
    before=st.sampled_from(["", "http_proxy=", "--build-arg 'x=", '{"url": "', "fatal: ("]),
    after=st.sampled_from(["", ":3128", ":3128/", "/path", "', next", '"}', " and more"]),
)
def test_no_password_of_an_address_stays(
    secret: str, scheme: str, user: str, before: str, after: str
) -> None:
    text = f"{before}{scheme}://{user}:{secret}@proxy{after} {scheme}://{user}:{secret}@b"
    assert "planted" not in redacted(text)
    assert f"{before}{scheme}://{user}:***@proxy{after}" in redacted(text)


def test_a_token_without_a_user_is_left_out() -> None:
    assert redacted("clone https://ghp_planted@github.com/x") == "clone https://***@github.com/x"


@pytest.mark.parametrize(
    "text",
    [
        "ssh://root@arm1",
        "https://example.org/a@b",
        "http://127.0.0.1:5055/v2/ by ann@example.org",
        "docker.io/x@sha256:12",
        "https://a:80/ and b@c",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert redacted(text) == text


def test_errors_show_no_password_of_an_address() -> None:
    url = "https://ann:planted@example.org/x.git"
    for error in (
        KollarmError(f"{url} is gone", details=f"git: {url}"),
        CommandError(["git", "clone", url], 128, f"fatal: {url}"),
    ):
        assert "planted" not in f"{error} {error.message} {error.details}"
