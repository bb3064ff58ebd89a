"""Labels of what is written into a guest with SELinux."""

from __future__ import annotations

from dataclasses import replace

from guestprep.plan.guest_files import RELABEL
from guestprep.plan.make import make_plan
from guestprep.plan.model import FileStep
from guestprep.spec import PreparationSpec
from tests.support.guest_facts import PREPARED, STATUS, StubArchive


def written(*, selinux: bool, prepared: bool) -> list[str]:
    facts = replace(PREPARED, selinux=selinux, initramfs_hook=prepared)
    plan = make_plan(facts, STATUS, PreparationSpec(), StubArchive())
    return [step.path for step in plan.steps_of(FileStep)]


def test_a_guest_with_selinux_labels_its_files_anew() -> None:
    assert RELABEL in written(selinux=True, prepared=False)


def test_a_guest_without_it_or_without_changes_does_not() -> None:
    assert RELABEL not in written(selinux=False, prepared=False)
    assert written(selinux=True, prepared=True) == []
