"""Builds that are tried again."""

from __future__ import annotations

import pytest

from builder.engines.protocol import (
    TAKEOVERS,
    BuildFailed,
    Cancellation,
    NodeLost,
    tried_again,
)
from builder.facts import EngineImage

IMAGE = EngineImage("sha256:0", "arm64", None)


class Build:
    """A build that fails a number of times."""

    def __init__(self, failures: int) -> None:
        self.failures, self.count = failures, 0

    def __call__(self) -> EngineImage:
        self.count += 1
        if self.count <= self.failures:
            raise BuildFailed("cron", "2/3 : RUN false", "exit status 1", [], None)
        return IMAGE


@pytest.mark.parametrize(("failures", "retries", "good"), [(0, 0, 1), (2, 2, 1), (2, 1, 0)])
def test_a_build_is_tried_again_as_often_as_asked(failures: int, retries: int, good: int) -> None:
    build, notes = Build(failures), list[str]()
    try:
        found = tried_again(build, retries, notes.append, Cancellation())
    except BuildFailed:
        found = None
    assert (found is IMAGE) == bool(good)
    assert build.count == min(failures, retries) + 1
    assert len(notes) == build.count - 1


@pytest.mark.parametrize(("losses", "good"), [(TAKEOVERS, True), (TAKEOVERS + 1, False)])
def test_another_node_takes_an_image_over(losses: int, good: bool) -> None:
    lost = iter([NodeLost("a node went away")] * losses)

    def build() -> EngineImage:
        for error in lost:
            raise error
        return IMAGE

    if good:
        assert tried_again(build, 0, lambda text: None, Cancellation()) is IMAGE
    else:
        with pytest.raises(NodeLost):
            tried_again(build, 0, lambda text: None, Cancellation())


def test_a_stopped_build_is_not_tried_again() -> None:
    control = Cancellation()
    control.stop()
    build = Build(1)
    with pytest.raises(BuildFailed):
        tried_again(build, 3, lambda text: None, control)
    assert build.count == 1
