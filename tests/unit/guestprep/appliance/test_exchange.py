"""Waiting for a disk that comes or goes in a running appliance."""

from __future__ import annotations

import pytest

from core.errors import KollarmError
from guestprep.appliance.client import ApplianceError, GuestCallError
from guestprep.appliance.exchange import wait_until

UDEV = GuestCallError("list_devices", "realpath: /dev/disk/by-path/x: No such file or directory")


class Answers:
    """A condition with its answers in order, the last one again and again."""

    def __init__(self, *answers: bool | Exception):
        self.answers = list(answers)
        self.times = 0

    def __call__(self) -> bool:
        answer = self.answers[min(self.times, len(self.answers) - 1)]
        self.times += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_disk_that_cannot_be_listed_yet_is_looked_for_again() -> None:
    answers = Answers(False, UDEV, True)
    wait_until(answers)
    assert answers.times == 3


def test_what_stood_in_the_way_to_the_end_is_said() -> None:
    with pytest.raises(GuestCallError, match="by-path"):
        wait_until(Answers(UDEV), patience=0.3)
    with pytest.raises(KollarmError, match="doesn't notice"):
        wait_until(Answers(UDEV, False), patience=0.3)


def test_an_appliance_that_is_gone_is_not_waited_for() -> None:
    answers = Answers(ApplianceError("it ended"))
    with pytest.raises(ApplianceError):
        wait_until(answers)
    assert answers.times == 1
