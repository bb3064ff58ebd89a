"""Publishing to a real Glance behind a real Keystone."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import openstack
import psutil
import pytest

from guestprep.publish import (
    Method,
    PublishWish,
    Replaced,
    audit,
    connect,
    execute,
    plan,
    publish,
)
from guestprep.publish import local as files
from guestprep.publish.cloud import Glance, GlanceError
from guestprep.publish.model import OWNER_MARK, RUN_MARK, Action, RemoteImage
from kollarm.errors import ConfigError, KollarmError, UnusableInput
from kollarm.services.glance import EmbeddedGlance
from kollarm.services.ports import free_port
from tests.bench import bench_publish
from tests.disks import disk
from tests.integration.commands import kollarm
from tests.unit.guestprep import disks

pytestmark = pytest.mark.integration

#: Instead of the real ones, which give a server longer to come back.
PAUSES = (0.5, 1.0)

WISH = PublishWish("", os_distro="ubuntu", os_version="18.04", os_admin_user="ubuntu")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("images")
    return {
        "first": disk(folder / "first.qcow2", 3),
        "second": disk(folder / "second.qcow2", 3),
        "large": disk(folder / "large.qcow2", 160),
    }


@pytest.fixture
def wish() -> PublishWish:
    """A wish whose name no other test uses."""
    return replace(WISH, name=f"guest-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def api(connection: Any) -> Glance:
    return Glance(connection)


def all_of(api: Glance, wish: PublishWish) -> list[RemoteImage]:
    return api.find(**{OWNER_MARK: wish.name})


def eventually(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it didn't come about"
        time.sleep(0.05)


def test_an_image_arrives_with_its_properties(
    connection: Any, images: dict[str, Path], wish: PublishWish
) -> None:
    record = publish(connection, images["first"], wish)
    assert (record.action, record.status, record.visibility) == (
        Action.UPLOAD, "active", "public",
    )  # fmt: skip
    # As anyone else sees it, by the SDK and by name.
    seen = connection.image.find_image(wish.name, ignore_missing=False)
    assert seen.id == record.image_id
    assert seen.hash_value == files.digests(images["first"], ["sha512"])["sha512"]
    assert not seen.is_hidden and seen.min_disk == 1
    wanted = {
        "hw_scsi_model": "virtio-scsi",
        "hw_disk_bus": "scsi",
        "hw_firmware_type": "uefi",
        "architecture": "aarch64",
        "hw_machine_type": "virt",
        "hw_video_model": "virtio",
        "hw_input_bus": "usb",
        "hw_pointer_model": "usbtablet",
        "os_distro": "ubuntu",
        "os_version": "18.04",
        "os_admin_user": "ubuntu",
    }
    raw = connection.image.get(f"/images/{seen.id}").json()
    assert {name: raw.get(name) for name in wanted} == wanted
    assert RUN_MARK not in raw
    assert json.loads(json.dumps(record.to_json()))["sent"] == images["first"].stat().st_size


def test_a_second_run_sends_nothing(
    connection: Any, images: dict[str, Path], wish: PublishWish
) -> None:
    first = publish(connection, images["first"], wish)
    second = publish(connection, images["first"], wish)
    assert (second.action, second.sent, second.image_id) == (Action.KEEP, 0, first.image_id)


def test_changed_properties_are_changed_in_place(
    connection: Any, api: Glance, images: dict[str, Path], wish: PublishWish
) -> None:
    first = publish(connection, images["first"], wish)
    more = replace(
        wish, properties={"hw_qemu_guest_agent": "yes"}, visibility="private", min_disk=9
    )
    second = publish(connection, images["first"], more)
    assert (second.action, second.sent, second.image_id) == (Action.UPDATE, 0, first.image_id)
    there = api.get(first.image_id)
    assert there.properties["hw_qemu_guest_agent"] == "yes"
    assert (there.visibility, there.min_disk) == ("private", 9)
    third = publish(connection, images["first"], wish)
    assert third.action is Action.UPDATE
    assert "hw_qemu_guest_agent" not in api.get(first.image_id).properties


@pytest.mark.parametrize("replaced", list(Replaced))
def test_a_new_image_takes_the_name(
    connection: Any, api: Glance, images: dict[str, Path], wish: PublishWish, replaced: Replaced
) -> None:
    old = publish(connection, images["first"], wish)
    new = publish(connection, images["second"], replace(wish, replaced=replaced))
    assert (new.action, new.retired) == (Action.REPLACE, (old.image_id,))
    assert connection.image.find_image(wish.name).id == new.image_id
    if replaced is Replaced.DELETE:
        assert old.image_id not in [image.id for image in all_of(api, wish)]
        return
    kept = api.get(old.image_id)
    assert kept.status == "active"
    assert kept.hidden == (replaced is Replaced.HIDE)
    assert (kept.name != wish.name) == (replaced is Replaced.RENAME)


def test_going_back_sends_nothing(
    connection: Any, images: dict[str, Path], wish: PublishWish
) -> None:
    old = publish(connection, images["first"], wish)
    publish(connection, images["second"], wish)
    back = publish(connection, images["first"], wish)
    assert (back.action, back.image_id, back.sent) == (Action.FINISH, old.image_id, 0)
    assert connection.image.find_image(wish.name).id == old.image_id


def test_a_protected_image_is_hidden_where_it_cannot_be_deleted(
    connection: Any, api: Glance, images: dict[str, Path], wish: PublishWish
) -> None:
    old = publish(connection, images["first"], wish)
    connection.image.update_image(old.image_id, is_protected=True)
    publish(connection, images["second"], replace(wish, replaced=Replaced.DELETE))
    assert api.get(old.image_id).hidden
    connection.image.update_image(old.image_id, is_protected=False)


def test_somebody_elses_image_is_refused_then_adopted(
    connection: Any, api: Glance, images: dict[str, Path], wish: PublishWish
) -> None:
    other = connection.image.create_image(
        wish.name, filename=str(images["first"]), disk_format="qcow2", container_format="bare"
    )
    with pytest.raises(KollarmError, match="kollarm didn't make it") as caught:
        publish(connection, images["first"], wish)
    assert "--adopt" in (caught.value.hint or "")
    assert api.get(other.id).properties.get(OWNER_MARK) is None
    record = publish(connection, images["first"], replace(wish, adopt=True))
    assert (record.action, record.image_id, record.sent) == (Action.ADOPT, other.id, 0)
    assert api.get(other.id).properties["architecture"] == "aarch64"


def test_two_images_of_the_name_are_refused(
    connection: Any, images: dict[str, Path], wish: PublishWish
) -> None:
    publish(connection, images["first"], wish)
    connection.image.create_image(
        wish.name,
        filename=str(images["second"]),
        disk_format="qcow2",
        container_format="bare",
        allow_duplicates=True,
    )
    for adopt in (False, True):
        with pytest.raises(KollarmError, match=f"2 images named {wish.name}"):
            publish(connection, images["first"], replace(wish, adopt=adopt))


def test_a_plan_changes_nothing(
    connection: Any, api: Glance, images: dict[str, Path], wish: PublishWish
) -> None:
    made = plan(connection, images["first"], wish)
    assert made.action is Action.UPLOAD
    assert all_of(api, wish) == []


def test_an_audit_finds_what_may_go_to_the_wrong_host(
    connection: Any, api: Glance, images: dict[str, Path], wish: PublishWish
) -> None:
    right = publish(connection, images["first"], wish)
    made = {
        name: connection.image.create_image(
            f"{name}-{uuid.uuid4().hex[:8]}",
            filename=str(images["first"]),
            disk_format="qcow2",
            container_format="bare",
            **properties,
        ).id
        for name, properties in {
            "bare-amd64": {},
            "wrong-arm64": {"architecture": "x86_64"},
            "fine": {"architecture": "x86_64"},
        }.items()
    }
    report = audit(connection)
    found = {finding.image_id: finding for finding in report.findings}
    assert found[made["bare-amd64"]].actual == "x86_64"
    assert found[made["wrong-arm64"]].actual == "aarch64"
    assert made["fine"] not in found
    assert right.image_id not in found
    # Looking inside the disks as well finds what names don't tell.
    looked_at = []

    def inspect(path: Path) -> str:
        looked_at.append(files.look(path).size)
        return "aarch64"

    found = {f.image_id: f for f in audit(connection, inspect=inspect).findings}
    assert found[made["fine"]].actual == "aarch64"
    assert len(looked_at) == report.images


def test_memory_does_not_grow_with_the_image(
    cloud: EmbeddedGlance, api: Glance, images: dict[str, Path]
) -> None:
    small, large = (bench_publish.ours(cloud, api, images[name]) for name in ("first", "large"))
    assert max(small.memory, large.memory) <= 80
    assert large.memory - small.memory < 16


# --- interruptions ------------------------------------------------------------------------


def publisher(cloud: EmbeddedGlance, image: Path, wish: PublishWish) -> subprocess.Popen[bytes]:
    """Another process that publishes."""
    code = (
        "from pathlib import Path; from guestprep.publish import *; "
        f"import guestprep.publish.execute as sending; sending.PAUSES = {PAUSES}; "
        f"c = connect({cloud.cloud!r}, clouds_yaml=Path({str(cloud.clouds_yaml)!r})); "
        f"publish(c, Path({str(image)!r}), PublishWish({wish.name!r}, os_distro='ubuntu', "
        f"os_version='18.04', os_admin_user='ubuntu', method=Method({wish.method.value!r})))"
    )
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)


def test_a_killed_upload_is_cleaned_up_by_the_next_run(
    connection: Any, cloud: EmbeddedGlance, api: Glance, images: dict[str, Path], wish: PublishWish
) -> None:
    run = publisher(cloud, images["large"], wish)
    eventually(lambda: [i for i in all_of(api, wish) if i.status == "saving"])
    # Nobody sees it, and another run leaves it alone.
    assert connection.image.find_image(wish.name) is None or all_of(api, wish)[0].hidden
    with pytest.raises(KollarmError, match="right now"):
        publish(connection, images["first"], wish)
    run.send_signal(signal.SIGKILL)
    run.wait()
    (left,) = all_of(api, wish)
    before = psutil.Process().io_counters().read_chars
    record = publish(connection, images["large"], wish)
    read = psutil.Process().io_counters().read_chars - before
    assert read < 1.5 * record.size, "hashing must not read the file a second time"
    assert record.removed == (left.id,)
    assert [image.id for image in all_of(api, wish)] == [record.image_id]
    assert record.status == "active"


def test_a_killed_import_is_cleaned_up_by_the_next_run(
    connection: Any, cloud: EmbeddedGlance, api: Glance, images: dict[str, Path], wish: PublishWish
) -> None:
    direct = replace(wish, method=Method.GLANCE_DIRECT)
    run = publisher(cloud, images["large"], direct)
    eventually(lambda: [i for i in all_of(api, wish) if i.status == "uploading"])
    run.send_signal(signal.SIGKILL)
    run.wait()
    (left,) = all_of(api, wish)
    record = publish(connection, images["first"], direct)
    assert record.removed == (left.id,)
    assert [image.id for image in all_of(api, wish)] == [record.image_id]


def test_a_glance_that_dies_and_comes_back_later_is_cleaned_up(
    connection: Any, cloud: EmbeddedGlance, api: Glance, images: dict[str, Path], wish: PublishWish
) -> None:
    old = publish(connection, images["first"], wish)
    run = publisher(cloud, images["large"], wish)
    eventually(lambda: [i for i in all_of(api, wish) if i.status == "saving"])
    master = cloud.running()
    assert master
    os.killpg(master, signal.SIGKILL)
    assert run.wait() != 0
    cloud.start()
    # Nobody told Glance that the upload ended: the image is "saving" for ever.
    assert [i.status for i in all_of(api, wish) if i.id != old.image_id] == ["saving"]
    assert publish(connection, images["first"], wish).action is Action.KEEP
    assert [image.id for image in all_of(api, wish)] == [old.image_id]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_upload_leaves_nothing(
    cloud: EmbeddedGlance,
    api: Glance,
    connection: Any,
    images: dict[str, Path],
    wish: PublishWish,
    number: signal.Signals,
) -> None:
    old = publish(connection, images["first"], wish)
    run = publisher(cloud, images["large"], wish)
    eventually(lambda: [i for i in all_of(api, wish) if i.status == "saving"])
    run.send_signal(number)
    assert run.wait() != 0
    if number == signal.SIGINT:
        assert [image.id for image in all_of(api, wish)] == [old.image_id]
    assert api.get(old.image_id).status == "active"
    assert publish(connection, images["first"], wish).action is Action.KEEP
    assert [image.id for image in all_of(api, wish)] == [old.image_id]


def test_a_server_that_dies_during_the_upload_is_tried_again(
    connection: Any,
    cloud: EmbeddedGlance,
    api: Glance,
    images: dict[str, Path],
    wish: PublishWish,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(execute, "PAUSES", PAUSES)
    master = cloud.running()
    assert master

    def kill() -> None:
        eventually(lambda: [i for i in all_of(api, wish) if i.status == "saving"])
        psutil.Process(master).children()[0].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    record = publish(connection, images["large"], wish)
    killer.join()
    assert record.status == "active"
    assert [image.id for image in all_of(api, wish)] == [record.image_id]


def test_a_run_killed_before_the_name_was_given_is_finished_without_an_upload(
    connection: Any, api: Glance, images: dict[str, Path], wish: PublishWish
) -> None:
    old = publish(connection, images["first"], wish)
    made = plan(connection, images["second"], wish)
    left = api.create(made.attributes, {**made.properties, RUN_MARK: "a.b.1.2"}, hidden=True)
    api.send(f"/images/{left.id}/file", images["second"].read_bytes(), 60)
    record = publish(connection, images["second"], wish)
    assert (record.action, record.image_id, record.sent) == (Action.FINISH, left.id, 0)
    assert record.retired == (old.image_id,)
    assert RUN_MARK not in record.properties


# --- import -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def web(images: dict[str, Path]) -> Iterator[str]:
    """An HTTP server with the images, as a mirror would have them."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(images["first"].parent))
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_glance_direct(connection: Any, images: dict[str, Path], wish: PublishWish) -> None:
    record = publish(connection, images["first"], replace(wish, method=Method.GLANCE_DIRECT))
    assert (record.action, record.status) == (Action.UPLOAD, "active")
    assert record.sent == images["first"].stat().st_size


def test_web_download(
    connection: Any, images: dict[str, Path], wish: PublishWish, web: str
) -> None:
    url = f"{web}/first.qcow2"
    fetched = replace(wish, method=Method.WEB_DOWNLOAD, source_url=url)
    record = publish(connection, images["first"], fetched)
    assert (record.status, record.sent) == ("active", 0)


def test_web_download_of_another_file_is_found_out(
    connection: Any, api: Glance, images: dict[str, Path], wish: PublishWish, web: str
) -> None:
    url = f"{web}/second.qcow2"
    with pytest.raises(KollarmError, match="it is removed"):
        publish(
            connection,
            images["first"],
            replace(wish, method=Method.WEB_DOWNLOAD, source_url=url),
        )
    assert all_of(api, wish) == []


def test_a_failed_import_is_an_error_and_leaves_nothing(
    connection: Any, api: Glance, images: dict[str, Path], wish: PublishWish, web: str
) -> None:
    url = f"{web}/missing.qcow2"
    with pytest.raises(GlanceError, match="import failed"):
        publish(
            connection,
            images["first"],
            replace(wish, method=Method.WEB_DOWNLOAD, source_url=url),
        )
    assert all_of(api, wish) == []


def test_a_method_that_cannot_be_used_is_named_before_anything_is_made(
    connection: Any, api: Glance, images: dict[str, Path], wish: PublishWish
) -> None:
    with pytest.raises(KollarmError, match="address at which Glance can fetch"):
        publish(connection, images["first"], replace(wish, method=Method.WEB_DOWNLOAD))
    assert all_of(api, wish) == []


# --- refusals -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def member(connection: Any, cloud: EmbeddedGlance) -> Any:
    """A connection of a user who is no administrator."""
    name = f"member-{uuid.uuid4().hex[:8]}"
    project = connection.identity.create_project(name=name, domain_id="default")
    user = connection.identity.create_user(name=name, password="secret", domain_id="default")
    role = connection.identity.find_role("member")
    connection.identity.assign_project_role_to_user(project, user, role)
    return openstack.connect(
        auth_url=f"{cloud.keystone_url}/v3",
        username=name,
        password="secret",
        project_name=name,
        user_domain_id="default",
        project_domain_id="default",
        region_name="RegionOne",
    )


def test_publishing_publicly_without_the_right_is_explained(
    member: Any, images: dict[str, Path], wish: PublishWish
) -> None:
    with pytest.raises(GlanceError, match="403") as caught:
        publish(member, images["large"], wish)
    assert "visibility: private" in (caught.value.hint or "")
    record = publish(member, images["first"], replace(wish, visibility="private"))
    assert record.visibility == "private"


def test_another_projects_public_image_is_not_ours(
    connection: Any, api: Glance, member: Any, images: dict[str, Path], wish: PublishWish
) -> None:
    theirs = publish(connection, images["first"], wish)
    mine = replace(wish, visibility="private")
    with pytest.raises(KollarmError, match="belongs to another project"):
        publish(member, images["second"], mine)
    # Nor can it be taken over by force: that is found out before anything is sent.
    with pytest.raises(GlanceError, match="403"):
        publish(member, images["second"], replace(mine, adopt=True))
    assert [image.id for image in Glance(member).find(name=wish.name)] == [theirs.image_id]
    assert publish(connection, images["first"], wish).action is Action.KEEP


def test_wrong_credentials_are_explained(
    cloud: EmbeddedGlance, images: dict[str, Path], wish: PublishWish, tmp_path: Path
) -> None:
    wrong = tmp_path / "clouds.yaml"
    wrong.write_text(cloud.clouds_yaml.read_text().replace("password: ", "password: not-"))
    with pytest.raises(GlanceError, match="doesn't accept the credentials"):
        publish(connect(cloud.cloud, clouds_yaml=wrong), images["first"], wish)


def test_an_unreachable_glance_is_explained(
    images: dict[str, Path], wish: PublishWish, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(
        f"clouds: {{gone: {{auth_type: none, auth: {{endpoint: '{url}'}}, "
        f"image_endpoint_override: '{url}'}}}}"
    )
    with pytest.raises(GlanceError, match="can't be reached") as caught:
        publish(connect("gone", clouds_yaml=clouds), images["first"], wish)
    assert url in caught.value.message
    assert caught.value.hint


def test_an_unreachable_keystone_is_explained(
    cloud: EmbeddedGlance, images: dict[str, Path], wish: PublishWish, tmp_path: Path
) -> None:
    clouds = tmp_path / "clouds.yaml"
    text = cloud.clouds_yaml.read_text()
    clouds.write_text(text.replace(f":{cloud.keystone_port}", f":{free_port()}"))
    with pytest.raises(GlanceError, match="can't be reached"):
        publish(connect(cloud.cloud, clouds_yaml=clouds), images["first"], wish)


def test_a_damaged_file_is_refused_before_anything_is_made(
    connection: Any, api: Glance, images: dict[str, Path], wish: PublishWish, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.qcow2"
    cut.write_bytes(images["first"].read_bytes()[:100_000])
    with pytest.raises(UnusableInput, match="cut short"):
        publish(connection, cut, wish)
    assert all_of(api, wish) == []


@pytest.fixture
def loopback(glance: EmbeddedGlance) -> dict[str, str]:
    """Environment variables that name the Glance which asks nobody who they are."""
    return {"OS_CLIENT_CONFIG_FILE": str(glance.clouds_yaml), "OS_CLOUD": glance.cloud}


def test_any_file_is_published_by_what_is_on_it(loopback: dict[str, str], tmp_path: Path) -> None:
    """The command with a file and no configuration; a look inside tells what it is."""
    image = disks.make(tmp_path / "found.qcow2", tmp_path / "work")
    options = ("--name", "from a file", "--property", "hw_input_bus=", "--json")
    done = kollarm("guest", "publish", image, *options, cwd=tmp_path, **loopback)
    assert done.status == 0, done.stderr
    (record,) = done.document
    assert (record["action"], record["status"]) == ("upload", "active")
    said = record["properties"]
    assert (said["architecture"], said["os_distro"]) == ("aarch64", "ubuntu")
    assert said["hw_firmware_type"] == "uefi" and "hw_input_bus" not in said
    assert not (tmp_path / ".kollarm").exists()


@pytest.mark.full
def test_an_audit_looks_at_what_is_on_the_disks(
    glance: EmbeddedGlance, loopback: dict[str, str], tmp_path: Path
) -> None:
    """Called an image for x86_64, it is found out by its disk alone."""
    image = disks.make(tmp_path / "found.qcow2", tmp_path / "work")
    connection = connect(glance.cloud, clouds_yaml=glance.clouds_yaml)
    wish = PublishWish("no telling", architecture="x86_64")
    made = publish(connection, image, wish)
    report = kollarm("guest", "audit", "--disks", "--json", cwd=tmp_path, **loopback)
    assert report.status == 1
    reasons = {finding["image_id"]: finding["reason"] for finding in report.document["findings"]}
    assert reasons[made.image_id] == "architecture is x86_64, its disk is aarch64"
    Glance(connection).delete(made.image_id)


def test_without_keystone_everyone_may_publish(
    glance: EmbeddedGlance, images: dict[str, Path], wish: PublishWish
) -> None:
    connection = connect(glance.cloud, clouds_yaml=glance.clouds_yaml)
    assert publish(connection, images["first"], wish).action is Action.UPLOAD
    assert publish(connection, images["first"], wish).action is Action.KEEP


# --- what the cloud says of properties -----------------------------------


def test_misspelt_properties_are_found_before_anything_is_made(
    connection: Any, api: Glance, images: dict[str, Path], wish: PublishWish
) -> None:
    properties = {
        "hw_vido_model": "qxl",
        "hw_video_model": "virtoi",
        "hw_video_ram": "-1",
        "kernel_id": "vmlinuz",
        "min_disk": "5",
        "mine": "1",
    }
    wrong = replace(wish, properties=properties)
    with pytest.raises(ConfigError) as caught:
        publish(connection, images["first"], wrong)
    text = caught.value.details or ""
    assert "did you mean hw_video_model?" in text
    assert "properties.hw_video_model: 'virtoi'" in text
    assert "properties.hw_video_ram: -1 is less than 0" in text
    assert "properties.kernel_id: 'vmlinuz' has the wrong form" in text
    assert "properties.min_disk: an attribute of images" in text
    assert "mine" not in text
    assert all_of(api, wish) == []
    wished = replace(wish, properties={"hw_vido_model": "qxl"}, check_properties=False)
    assert publish(connection, images["first"], wished).properties["hw_vido_model"] == "qxl"
