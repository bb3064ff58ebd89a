"""The cost of attesting images."""

from __future__ import annotations

from pathlib import Path

from tests.bench.measure import Pair, Samples, at_most, measure
from tests.bench.projects import KOLLARM, PROFILES, ROUNDS, complete, project, seconds

WITHOUT = "registry: {attest: false, "


@measure(
    compared="`kollarm build` with nothing to do, each image attested (provenance, bills of "
    "materials), against the same with `registry.attest: false`",
    goal=at_most(1.1),
)
def attesting(folder: Path) -> Samples:
    """Images that are kept have attestations already: nothing is read or written for them."""
    with project(folder, PROFILES) as (path, client):
        complete(path, client)
        without = path.with_name("without.yml")
        without.write_text(path.read_text().replace("registry: {", WITHOUT))
        for _ in range(ROUNDS):
            ours, other = (seconds([*KOLLARM, "build", "--config", one]) for one in (path, without))
            yield Pair(ours, other)
