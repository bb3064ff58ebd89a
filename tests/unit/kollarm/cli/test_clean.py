"""``kollarm clean``: what is ours goes, after it was listed; everything else stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kollarm.cli.main import main

OURS = ["guests/g.qcow2", "logs/images/cron.log", "report/images.json", "report.html"]
SERVICES = ["registry/data/x", "glance/images/x", "keystone/x"]
KEPT = ["deploy/passwords.yml", "built-images.json", "newest-indices.json", "mine/x", "mine.txt"]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    state = tmp_path / ".kollarm"
    for name in (*OURS, *SERVICES, *KEPT):
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        (state / name).write_text("x", "utf-8")
    return state


def present(state: Path) -> set[str]:
    found = {str(path.relative_to(state)) for path in state.rglob("*") if path.is_file()}
    return found - {"run.lock"}


def test_only_results_of_runs_are_removed(state: Path) -> None:
    assert main(["clean", "--yes"]) == 0
    assert present(state) == {*SERVICES, *KEPT}


def test_services_too_where_asked(state: Path) -> None:
    assert main(["clean", "--yes", "--services"]) == 0
    assert present(state) == {*KEPT}


def test_a_dry_run_lists_and_removes_nothing(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = present(state)
    assert main(["clean", "--dry-run", "--services", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert str(state / "guests") in {one["path"] for one in document["removals"]}
    assert present(state) == before


def test_nobody_to_ask_means_no(state: Path) -> None:
    before = present(state)
    assert main(["clean"]) == 2
    assert present(state) == before


def test_a_link_is_removed_but_not_what_it_leads_to(state: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (state / "guests").rename(elsewhere)
    (state / "guests").symlink_to(elsewhere)
    assert main(["clean", "--yes"]) == 0
    assert (elsewhere / "g.qcow2").is_file() and not (state / "guests").is_symlink()


def test_without_a_state_folder_there_is_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["clean"]) == 0
    assert not [*tmp_path.glob(".kollarm")]
