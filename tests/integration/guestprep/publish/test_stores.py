"""A real Glance with two stores, raw disks, and more than one cloud or region."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import ConfigError
from guestprep.publish import Method, PublishSpec, connect, plan, publish
from guestprep.publish.cloud import Glance, GlanceError
from guestprep.publish.model import PublishAction
from guestprep.publish.raw_file import raw_path
from kollarm.services.glance import EmbeddedGlance
from tests.support.boot_sector import boot_sector, entry
from tests.support.changed_glance import changed_glance, with_two_stores
from tests.support.publishing import all_of

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def two_stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedGlance]:
    with changed_glance(tmp_path_factory.mktemp("stores"), with_two_stores) as service:
        yield service


@pytest.fixture(scope="module")
def ceph(two_stores: EmbeddedGlance) -> Any:
    return connect(two_stores.cloud, clouds_yaml=two_stores.clouds_yaml)


@pytest.mark.parametrize("method", [Method.PUT, Method.GLANCE_DIRECT])
def test_an_image_gets_into_every_store(
    ceph: Any, images: dict[str, Path], spec: PublishSpec, method: Method
) -> None:
    both = replace(spec, stores=("ceph", "fs"), method=method)
    record = publish(ceph, images["first"], both)
    assert record.stores == ("ceph", "fs")
    assert publish(ceph, images["first"], both).action is PublishAction.KEEP


def test_a_store_that_is_missing_gets_a_copy(
    ceph: Any, images: dict[str, Path], spec: PublishSpec
) -> None:
    assert publish(ceph, images["first"], replace(spec, stores=("ceph",))).stores == ("ceph",)
    both = replace(spec, stores=("ceph", "fs"))
    intended = plan(ceph, images["first"], both)
    assert (intended.action, intended.copies) == (PublishAction.UPDATE, ("fs",))
    record = publish(ceph, images["first"], both)
    assert (record.sent, record.stores) == (0, ("ceph", "fs"))


@pytest.mark.parametrize("forbidden", ["copy_image", "upload_image"])
def test_an_import_does_what_policy_forbids_otherwise(
    tmp_path: Path, images: dict[str, Path], spec: PublishSpec, forbidden: str
) -> None:
    """Copying between stores, which Glance leaves to administrators, or PUT."""

    def change(contents: dict[str, str]) -> None:
        with_two_stores(contents)
        contents["policy.yaml"] = f'"{forbidden}": "!"\n"context_is_admin": "@"\n'

    both = replace(spec, stores=("ceph", "fs"))
    with changed_glance(tmp_path / "strict", change) as service:
        connection = connect(service.cloud, clouds_yaml=service.clouds_yaml)
        assert publish(connection, images["first"], both).stores == ("ceph", "fs")
        assert len(all_of(Glance(connection), spec)) == 1
        if forbidden == "copy_image":
            publish(connection, images["second"], replace(spec, name="one", stores=("ceph",)))
            with pytest.raises(GlanceError) as caught:
                publish(connection, images["second"], replace(both, name="one"))
            assert "admin" in (caught.value.hint or "")


def test_an_unknown_store_is_refused_first(
    ceph: Any, images: dict[str, Path], spec: PublishSpec
) -> None:
    with pytest.raises(ConfigError, match="no store 'cefh'") as caught:
        publish(ceph, images["first"], replace(spec, stores=("cefh",)))
    assert "ceph" in (caught.value.hint or "")
    assert all_of(Glance(ceph), spec) == []


def sparse_disk(path: Path) -> Path:
    """A qcow2 of 64 MiB with a partition table, which Glance looks at, and 3 MiB of noise."""
    raw = path.with_suffix(".made")
    content = bytearray(os.urandom(3 << 20))
    content[:512] = boot_sector(entry())
    raw.write_bytes(content)
    os.truncate(raw, 64 << 20)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path], check=True)
    return path


def test_a_raw_disk_is_sparse_here_and_known_again(
    ceph: Any, tmp_path: Path, spec: PublishSpec
) -> None:
    image = sparse_disk(tmp_path / "guest.qcow2")
    raw = replace(spec, raw=True)
    record = publish(ceph, image, raw)
    made = raw_path(image).stat()
    assert (record.size, made.st_size) == (64 << 20, 64 << 20)
    assert made.st_blocks * 512 < 8 << 20
    (there,) = all_of(Glance(ceph), spec)
    assert there.disk_format == "raw"
    assert publish(ceph, image, raw).action is PublishAction.KEEP
    assert raw_path(image).stat().st_ino == made.st_ino
    sparse_disk(image)
    assert publish(ceph, image, raw).action is PublishAction.REPLACE


def test_one_run_reaches_clouds_and_regions(
    glance: EmbeddedGlance, two_stores: EmbeddedGlance, images: dict[str, Path], tmp_path: Path
) -> None:
    def region(name: str, service: EmbeddedGlance) -> dict[str, object]:
        values = {"image_endpoint_override": service.url}
        return {"name": name, "values": values}

    clouds = {
        "many": {
            "auth_type": "none",
            "auth": {"endpoint": glance.url},
            "regions": [region("north", glance), region("south", two_stores)],
        },
        "other": {
            "auth_type": "none",
            "auth": {"endpoint": two_stores.url},
            "image_endpoint_override": two_stores.url,
        },
    }
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump({"clouds": clouds}))
    config = {
        "cloud": {
            "name": "many",
            "region": "north",
            "also": [{"name": "many", "region": "south"}, {"name": "other"}],
        }
    }
    (tmp_path / "kollarm.yml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "kollarm", "--quiet", "guest", "publish"]
    done = subprocess.run(
        [*command, str(images["first"]), "--unchecked", "--name", "everywhere", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    told = [(one["cloud"], one["action"]) for one in json.loads(done.stdout)]
    # The third is the same Glance as the second, and has the image by then.
    assert told == [("many/north", "upload"), ("many/south", "upload"), ("other", "keep")]
