"""Listing guests: what was prepared and booted, and what can be named."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from core.config.load import parse
from guestprep import record
from guestprep.source.catalogue import CATALOGUE
from kollarm.guests.listing import CatalogueList, list_guests
from tests.support import preparation, report_records

GUESTS = [
    {"name": "jammy", "source": {"image": "ubuntu-22.04"}},
    {
        "name": "web",
        "source": {"url": "https://me:secret@a.example/x.img", "sha256": "0" * 64},
    },
    {"name": "own", "source": {"path": "own.img", "sha256": "0" * 64}},
]


def test_guests_are_listed_with_what_was_made(tmp_path: Path) -> None:
    config = parse(json.dumps({"guests": GUESTS}), tmp_path / "kollarm.yml")
    image = config.state_dir / "guests" / "own.qcow2"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"x")
    record.write(preparation.record(tmp_path), record.record_path(image))
    boot = report_records.proof("after", passed=True)
    kept = {"sha256": preparation.record(tmp_path).sha256, "report": boot.report.to_dict()}
    (image.parent / "own-after.boot.json").write_text(json.dumps(kept))
    (image.parent / "own-after.png").touch()

    jammy, web, own = list_guests(config).guests
    assert (jammy.source, jammy.size, jammy.console) == ("ubuntu-22.04", None, "")
    assert web.source == "https://a.example/x.img"
    assert (own.system, own.size, own.console) == ("ubuntu 18.04", 1, "login prompt")
    text = list_guests(config).to_text()
    assert "not prepared" in text and "login prompt" in text

    changed = dataclasses.replace(preparation.record(tmp_path), sha256="00" * 32)
    record.write(changed, record.record_path(image))
    assert list_guests(config).guests[2].console == "", "a boot of another image"


def test_the_catalogue_is_listed() -> None:
    assert len(CatalogueList().to_text().splitlines()) == len(CATALOGUE) + 2
    document = json.loads(json.dumps(CatalogueList().to_dict()))
    assert {one["name"] for one in document["images"]} == set(CATALOGUE)
