"""Reading and adjusting rendered Dockerfiles."""

from __future__ import annotations

import pytest

from builder.context import dockerfile

TEXT = """\
FROM kollarm.invalid/rendered/base:rendered

LABEL maintainer="Kolla" name="base" build-date="20261123"

ENV DEBIAN_FRONTEND noninteractive
# a comment
RUN apt-get --error-on=any update && apt-get -y install --no-install-recommends curl gnupg \
 && apt-get clean && rm -rf /var/lib/apt/lists/*
RUN apt-get --error-on=any update \\
    && apt-get -y install locales \\
    && locale-gen "$LANG" \\
    && apt-get -y upgrade \\
    && apt-get -y dist-upgrade \\
    # a comment in the middle
    && apt-get -y install python3 && apt-get clean
RUN if true; then apt-get -y install curl; fi
CMD ["kolla_start"]
"""


def test_instructions_are_joined_and_counted() -> None:
    found = dockerfile.instructions(TEXT)
    assert [one.keyword for one in found] == ["FROM", "LABEL", "ENV", "RUN", "RUN", "RUN", "CMD"]
    long = found[4]
    assert long.last - long.first == 6
    assert "comment" not in long.value


def test_packages_are_what_plain_chains_install() -> None:
    assert dockerfile.packages(TEXT) == ["curl", "gnupg", "locales", "python3"]


def test_the_build_date_goes_and_nothing_else() -> None:
    assert dockerfile.without_date(TEXT) == TEXT.replace(' build-date="20261123"', "")


def test_the_parent_is_replaced() -> None:
    assert dockerfile.with_parent(TEXT, "127.0.0.1:5055/kolla/base:x").startswith(
        "FROM 127.0.0.1:5055/kolla/base:x\n\nLABEL"
    )


def test_a_prepared_root_needs_no_apt() -> None:
    text = dockerfile.on_prepared_root(TEXT, ["curl", "gnupg", "locales", "python3"])
    assert "update" not in text
    assert "upgrade" not in text
    assert 'RUN locale-gen "$LANG" \\\n    && apt-get clean' in text
    assert "RUN if true; then apt-get -y install curl; fi" in text


def test_an_update_stays_where_something_is_still_installed() -> None:
    text = dockerfile.on_prepared_root(TEXT, ["curl", "gnupg", "locales"])
    first = next(one for one in dockerfile.instructions(text) if one.keyword == "RUN")
    assert dockerfile.commands(first.value) == (
        "apt-get --error-on=any update",
        'locale-gen "$LANG"',
        "apt-get -y install python3",
        "apt-get clean",
    )


def test_without_held_packages_only_upgrades_go() -> None:
    text = dockerfile.on_prepared_root("RUN apt-get update && apt-get install -y x", [])
    assert text == "RUN apt-get update && apt-get install -y x"


def test_odd_commands_are_left_alone() -> None:
    for value in ("a || b", "a; b", "if x; then y; fi", "a | b", '["a", "b"]', "echo 'open"):
        assert dockerfile.commands(value) is None
    assert dockerfile.commands("echo 'a && b' && c") == ("echo 'a && b'", "c")


def test_steps_that_patch_nothing_are_taken_out() -> None:
    text = "FROM a\n    COPY patches /patches\n    RUN kolla_patch\n\nRUN kolla_patch || b\nUSER c"
    assert dockerfile.without_patching(text) == "FROM a\n\nRUN kolla_patch || b\nUSER c"


def test_the_arguments_that_a_dockerfile_declares() -> None:
    text = "FROM x\nARG SITE\nARG A=1 B\n# ARG C\nRUN echo ARG D\n"
    assert dockerfile.arguments(text) == {"SITE", "A", "B"}


def test_a_here_document_belongs_to_its_step() -> None:
    text = "FROM x\nRUN <<-'A' cat > /a && <<B cat\nRUN no\n\tA\nCOPY no\nB\nUSER x\n"
    found = dockerfile.instructions(text)
    assert [(one.keyword, one.first, one.last) for one in found] == [
        ("FROM", 1, 1),
        ("RUN", 2, 6),
        ("USER", 7, 7),
    ]
    assert "COPY no" in found[1].value
    assert dockerfile.commands(found[1].value) is None


@pytest.mark.parametrize("step", ["echo $((1 << 2))", "cat <<< A", "echo 1<<A", "cat <<A"])
def test_what_looks_like_a_here_document(step: str) -> None:
    """None of them ends, and only BuildKit knows the last two at all."""
    found = dockerfile.instructions(f"FROM x\nRUN {step}\nUSER x\n")
    assert [one.keyword for one in found] == ["FROM", "RUN", "USER"]
