"""Parts of ``kollarm images``, with the embedded Glance."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import yaml

from core.cache import file_digest
from core.config.load import load
from guestprep import record
from kollarm.services.glance import EmbeddedGlance
from tests.support import preparation, report_records
from tests.support.answering import say, serving
from tests.support.commands import kollarm
from tests.support.servers import free_port
from tests.support.upload import disk

pytestmark = pytest.mark.integration


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """A project with one guest, whose Glance is stopped afterwards."""
    path = tmp_path / "kollarm.yml"
    guest = {"name": "g", "boot": "none", "source": {"path": "g.img", "sha256": "0" * 64}}
    settings = {"guests": [guest], "cloud": {"embedded": True, "port": free_port()}}
    path.write_text(yaml.safe_dump(settings))
    yield path
    EmbeddedGlance(load(path).state_dir, load(path).cloud.port).stop()


def prepared(config: Path) -> Path:
    """The guest's image, as an earlier run would have prepared it."""
    (config.parent / ".kollarm" / "guests").mkdir(parents=True, exist_ok=True)
    image = disk(config.parent / ".kollarm" / "guests" / "g.qcow2", 3)
    made = dataclasses.replace(
        preparation.record(config.parent),
        name="g",
        output=str(image),
        sha256=file_digest(image),
        size=image.stat().st_size,
        uefi="EFI/BOOT/BOOTAA64.EFI",
        admin_user="ubuntu",
    )
    record.write(made, record.record_path(image))
    return image


def test_publishing_alone_takes_what_was_prepared(config: Path) -> None:
    words = ("images", "--only", "publish", "--config", config)
    missing = kollarm(*words)
    assert missing.status == 1
    assert "not been prepared" in missing.stderr

    prepared(config)
    plan = kollarm(*words, "--dry-run", "--json")
    assert plan.document["build"] is None
    assert plan.document["guests"][0]["preparation"] is None

    done = kollarm(*words, "--json")
    assert done.status == 0, done.stderr
    [guest] = done.document["guests"]
    [published] = guest["published"]
    assert guest["prepared"]["kept"] and published["status"] == "active"
    assert done.document["build"]["images"] == []
    text = kollarm(*words)
    assert text.stdout.count("left out: ") == 2
    page = (config.parent / ".kollarm" / "report.html").read_text()
    assert "left out: building" in page and published["image_id"] in page


def test_a_second_cloud_that_fails_leaves_the_first_on_the_page(config: Path) -> None:
    def refuses_images(handler: BaseHTTPRequestHandler) -> None:
        here = f"http://{handler.headers['Host']}/v2/"
        version = {"id": "v2.9", "status": "CURRENT", "links": [{"rel": "self", "href": here}]}
        content = json.dumps({"versions": [version]}).encode()
        status = 403 if "/images" in handler.path else 200
        say(handler, status, content, Content_Type="application/json")

    prepared(config)
    settings = yaml.safe_load(config.read_text())
    settings["cloud"]["also"] = [{"name": "refusing"}]
    config.write_text(yaml.safe_dump(settings))
    with serving(refuses_images) as address:
        url = f"http://{address}"
        cloud = {
            "auth_type": "none", "auth": {"endpoint": url}, "image_endpoint_override": url,
        }  # fmt: skip
        (config.parent / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"refusing": cloud}}))
        done = kollarm("images", "--only", "publish", cwd=config.parent)
    assert done.status == 1 and "403" in done.stderr
    page = (config.parent / ".kollarm" / "report.html").read_text()
    assert "active" in page and "403" in page


def test_what_was_not_booted_is_not_published_alone(config: Path) -> None:
    settings = yaml.safe_load(config.read_text())
    settings["guests"][0]["boot"] = "result"
    config.write_text(yaml.safe_dump(settings))
    image = prepared(config)
    words = ("images", "--only", "publish", "--config", config)
    refused = kollarm(*words)
    assert refused.status == 1
    assert "--only guests" in refused.stderr
    boot = report_records.proof("before", passed=False)
    failed = {"sha256": file_digest(image), "report": boot.report.to_dict()}
    (image.parent / "g-after.boot.json").write_text(json.dumps(failed))
    (image.parent / "g-after.png").write_bytes(boot.screenshot.read_bytes())
    refused = kollarm(*words)
    assert refused.status == 1
    assert "not published" in refused.stderr
