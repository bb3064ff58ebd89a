"""Changes of an instance: which flavor a resize takes, and what the command understands."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from core.errors import ConfigError
from kollarm.cli.guest.prove import prove_command
from kollarm.console_proof import InstanceChange, ProofStage
from kollarm.console_proof.changes import other_flavor
from kollarm.console_proof.compute import Compute
from tests.support.api_stand_in import standing_in


def flavor(name: str, ram: int, vcpus: int = 1, disk: int = 1) -> dict[str, Any]:
    return {"id": name, "name": name, "ram": ram, "vcpus": vcpus, "disk": disk}


SMALL = SimpleNamespace(id="small", name="small", ram=1024, vcpus=1, disk=1)


def test_the_next_larger_flavor_is_taken(tmp_path: Path) -> None:
    flavors = [flavor("huge", 9000), flavor("small", 1024), flavor("next", 2048)]
    flavors += [flavor("thin", 4096, disk=0), flavor("tiny", 512)]
    with standing_in({"/flavors/detail": {"flavors": flavors}}, tmp_path, "compute") as connection:
        assert other_flavor(Compute(connection), None, SMALL).name == "next"


def test_a_cloud_of_one_flavor_can_not_resize(tmp_path: Path) -> None:
    documents = {"/flavors/detail": {"flavors": [flavor("small", 1024), flavor("tiny", 512)]}}
    with (
        standing_in(documents, tmp_path, "compute") as connection,
        pytest.raises(ConfigError) as caught,
    ):
        other_flavor(Compute(connection), None, SMALL)
    assert "--resize-to" in (caught.value.hint or "")


def test_each_change_is_a_stage() -> None:
    assert {change.stage for change in InstanceChange} <= set(ProofStage)


def test_an_unknown_change_is_refused() -> None:
    done = CliRunner().invoke(prove_command, ["image", "--after", "reboot,shelve"])
    assert done.exit_code == 2 and "shelve" in done.output
