"""``kollarm stop``: services end, whatever else has a file named pid is let be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kollarm.cli.main import main
from kollarm.services import daemon
from tests.support.daemons import web_server
from tests.support.servers import free_port


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state folder with a running service."""
    state = tmp_path / ".kollarm"
    service = web_server(state / "registry", free_port())
    daemon.start(service)
    yield state
    daemon.stop(service.folder)


@pytest.mark.parametrize("named", [True, False])
def test_services_end_and_their_data_stay(
    named: bool, state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(state.parent)
    words = [str(state)] if named else []
    assert daemon.running_in(state / "registry") is not None
    assert main(["stop", *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"stopped": ["registry"]}
    assert daemon.running_in(state / "registry") is None
    assert (state / "registry" / "log").is_file()
    assert main(["stop", *words]) == 0
    assert "none" in capsys.readouterr().out


def test_a_folder_that_is_no_state_folder_stays_as_it_is(tmp_path: Path) -> None:
    other = tmp_path / "run" / "postgres" / "pid"
    other.parent.mkdir(parents=True)
    other.write_text("1")
    assert main(["stop", str(tmp_path / "run")]) == 0
    assert [path.name for path in (tmp_path / "run").rglob("*")] == ["postgres", "pid"]
