"""A real Glance on loopback with another configuration than ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kollarm.services import glance_files
from kollarm.services.glance import EmbeddedGlance
from tests.support.servers import free_port


@contextmanager
def changed_glance(
    folder: Path, change: Callable[[dict[str, str]], None]
) -> Iterator[EmbeddedGlance]:
    """Such a Glance, running.

    :param change: changes the files of its configuration folder, by name.
    """
    usual = glance_files.glance

    def changed(*arguments: Any) -> dict[str, str]:
        contents = usual(*arguments)
        change(contents)
        return contents

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(glance_files, "glance", changed)
        service = EmbeddedGlance(folder, free_port())
        service.start()
    try:
        yield service
    finally:
        service.stop()


def with_two_stores(contents: dict[str, str]) -> None:
    """A second store, as a cloud with Ceph beside files has it; both are folders here."""
    api = contents["glance-api.conf"]
    api = api.replace("enabled_backends = fs:file", "enabled_backends = fs:file,ceph:file")
    folder = glance_files.HERE / "ceph"
    contents["glance-api.conf"] = f"{api}\n[ceph]\nfilesystem_store_datadir = {folder}\n"
