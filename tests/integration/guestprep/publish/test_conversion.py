"""A real Glance that converts what it imports, as clouds on Ceph do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guestprep.publish import Method, PublishSpec, connect, publish
from guestprep.publish.cloud import Glance
from guestprep.publish.model import PublishAction
from tests.support.changed_glance import changed_glance
from tests.support.publishing import all_of

pytestmark = pytest.mark.integration

PLUGIN = (
    "[image_import_opts]\nimage_import_plugins = [image_conversion]\n"
    "[image_conversion]\noutput_format = raw\n"
)


@pytest.fixture(scope="module")
def converting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A connection to such a Glance."""

    def with_plugin(contents: dict[str, str]) -> None:
        contents["glance-image-import.conf"] += PLUGIN

    with changed_glance(tmp_path_factory.mktemp("converting"), with_plugin) as service:
        yield connect(service.cloud, clouds_yaml=service.clouds_yaml)


def test_a_converted_image_is_kept(
    converting: Any, images: dict[str, Path], spec: PublishSpec
) -> None:
    direct = replace(spec, method=Method.GLANCE_DIRECT)
    record = publish(converting, images["first"], direct)
    assert (record.action, record.status) == (PublishAction.UPLOAD, "active")
    (image,) = all_of(Glance(converting), spec)
    assert (image.id, image.disk_format) == (record.image_id, "raw")
    assert image.size != images["first"].stat().st_size
    assert publish(converting, images["first"], direct).action is PublishAction.KEEP
    assert publish(converting, images["second"], direct).action is PublishAction.REPLACE
