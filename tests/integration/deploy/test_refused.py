"""What a release's own files make impossible is refused before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.kolla_ansible.releases import find
from core.kolla_ansible.toolchain import tree_of
from deploy.facts import gather, unsupported
from tests.support.hybrid_cloud import settings_in

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("release", "refused"), [("2026.1", True), ("2024.1", False)])
def test_a_database_that_nothing_forwards_to(release: str, refused: bool, tmp_path: Path) -> None:
    """Newer HAProxy configurations have it only if it is said to be external."""
    assert tree_of(find(release)).plays
    off = {"enable_proxysql": False}
    wrong = settings_in(tmp_path, release, globals=off)
    where = [fault.where for fault in unsupported(wrong, gather(wrong), [])]
    assert where == (["deploy.globals.enable_proxysql"] if refused else [])
    told = off | {"enable_external_mariadb_load_balancer": True}
    right = settings_in(tmp_path, release, globals=told)
    assert not unsupported(right, gather(right), [])
