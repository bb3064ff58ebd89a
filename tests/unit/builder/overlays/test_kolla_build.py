"""An overlay's kolla-build.conf is carried out or refused, option by option."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.overlays import kolla_build

INEFFECTIVE = (
    "squash",
    "retries",
    "threads",
    "build_args",
    "allowed_to_fail",
    "skip_existing",
    "platform",
    "cache",
    "work_dir",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, text: str) -> list[str]:
    (folder / "kolla-build.conf").write_text(text)
    return [str(fault) for fault in kolla_build.faults_of(folder)]


@pytest.mark.parametrize("option", [*INEFFECTIVE, *kolla_build.ELSEWHERE])
def test_options_without_effect_are_faults(folder: Path, option: str) -> None:
    (fault,) = write(folder, f"[DEFAULT]\nmaintainer = Me\n{option} = 1\n")
    assert "kolla-build.conf:3" in fault and "no effect" in fault


def test_a_misspelt_option_has_a_guess(folder: Path) -> None:
    (fault,) = write(folder, "[DEFAULT]\nmantainer = Me\n")
    assert "'maintainer'" in fault


def test_what_is_carried_out_is_no_fault(folder: Path) -> None:
    assert not write(
        folder,
        "[DEFAULT]\nmaintainer = Me\nuse_dumb_init = false\n[nova-user]\nuid = 7\ngid = 7\n"
        "[nova-base]\ntype = git\nlocation = git@host:x/nova.git\nreference = stable/1\n"
        "[cron-plugin-x]\nenabled = false\n[base-additions-a]\ntype = local\nlocation = files/x\n",
    )


@pytest.mark.parametrize(
    "text",
    [
        "[nova-user]\nhome = /x\n",
        "[nova-base]\nlocation-x = 1\n",
        "[profiles]\nmine = cron\n",
        "[Nova-Base]\nenabled = 0\n",
        "[cron]\ntype = pypi\nlocation = x==1\n",
    ],
)
def test_other_sections_have_their_own_options(folder: Path, text: str) -> None:
    assert len(write(folder, text)) == 1
