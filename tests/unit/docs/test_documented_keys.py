"""The keys of kollarm.yml that docs/publish.md and docs/deploy.md list are those it has."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel

from core.config.deploy import Collections, Deploy, Host, Interfaces, KollaAnsible, Ssh, Vips
from core.config.model import Cloud, Guest
from core.config.publishing import Publishing

DOCS = Path(__file__).parents[3] / "docs"


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading row."""
    text = (DOCS / page).read_text()
    table = text[text.index(heading) :].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def fields(*models: type[BaseModel]) -> set[str]:
    return {name for model in models for name in model.model_fields}


def test_the_keys_of_publishing() -> None:
    named = [
        key for row in rows("publish.md", "| key | meaning | default |") for key in code(row[0])
    ]
    guests = {key.removeprefix("guests[].") for key in named if key.startswith("guests[].")}
    cloud = {key.removeprefix("cloud.") for key in named if key.startswith("cloud.")}
    assert len(guests) + len(cloud) == len(named)
    assert guests <= fields(Guest)
    assert cloud == fields(Cloud)
    kept = rows("publish.md", "| key of `guests[].publish` |")
    assert [name for row in kept for name in code(row[0])] == list(Publishing.model_fields)


def test_the_keys_of_deploying() -> None:
    table = {code(row[0])[0]: code(row[1]) for row in rows("deploy.md", "| key of `deploy` |")}
    hosts = {key.split(".")[2] for key in table if key.startswith("hosts.NAME.")}
    assert hosts == fields(Host)
    others = {key.split(".")[0] for key in table}
    assert others == fields(Deploy)
    for key, model in (
        ("hosts.NAME.interfaces", Interfaces),
        ("ssh", Ssh),
        ("vips", Vips),
        ("kolla_ansible", KollaAnsible),
        ("collections", Collections),
    ):
        assert set(table[key]) == fields(model), key
