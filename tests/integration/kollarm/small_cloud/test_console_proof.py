"""ARM guests in a small real cloud: placed, built, seen and typed into through Nova."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from core.run import run
from guestprep import publish
from guestprep.boot.states import BootState, from_screen
from kollarm.console_proof.compute import MARK, NAME
from kollarm.services import daemon
from testbed.cloud.layout import ARM_HOST, X86_HOST
from testbed.cloud.lifecycle import CLOUD
from testbed.guest_image import LAYOUTS, make
from tests.support import cloud_attempts, neighbour
from tests.support.commands import COMMAND, Outcome
from tests.support.small_cloud import EMULATED, PICTURES, PREPARED, Cloud, instance

pytestmark = [pytest.mark.integration, pytest.mark.cloud]

USER, PASSWORD = "pat", "console"


@pytest.fixture(scope="module")
def unprepared(cloud: Cloud) -> str:
    """The name of the image as its distribution makes it."""
    name = f"{PREPARED}-unprepared"
    spec = publish.PublishSpec(name, properties=EMULATED, visibility="private")
    publish.publish(cloud.connection, make(LAYOUTS["ubuntu-18.04"]).image, spec)
    return name


@pytest.fixture(scope="module")
def tiny(cloud: Cloud) -> Callable[..., str]:
    """Makes an image with nothing on its disk, and these properties; returns its name."""

    def image(name: str, **properties: str) -> str:
        glance = cloud.connection.image
        if glance.find_image(name) is None:
            disk = cloud.folder / f"{name}.qcow2"
            run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "16M"])
            glance.create_image(
                name, filename=str(disk), disk_format="qcow2", container_format="bare",
                wait=True, **properties,
            )  # fmt: skip
        return name

    return image


def arm(**more: str) -> dict[str, str]:
    """The properties of an ARM image."""
    return {
        "architecture": "aarch64",
        "hw_firmware_type": "uefi",
        "hw_machine_type": "virt",
        "hw_video_model": "virtio",
        "hw_disk_bus": "scsi",
        "hw_scsi_model": "virtio-scsi",
        "hw_input_bus": "usb",
        **EMULATED,
        **more,
    }


def test_an_unprepared_image_fails_as_its_display_is_inactive(
    cloud: Cloud, unprepared: str
) -> None:
    done = cloud.verify(unprepared)
    assert done.status == 1
    report = done.document
    assert report["screen"] == BootState.DISPLAY_NOT_ACTIVE, report
    assert report["diagnosis"]["stage"] == "screen"
    assert "kollarm guest prepare" in done.stderr
    assert report["serial"] == BootState.LOGIN_PROMPT
    assert cloud.instances() == []


def test_a_prepared_image_shows_its_login_prompt_and_takes_keys(
    cloud: Cloud, prepared: str
) -> None:
    done = cloud.verify(prepared)
    assert done.status == 0, done.stdout + done.stderr
    report = done.document
    assert report["passed"] and report["host"] == ARM_HOST.name
    assert set(report["seconds"]) == {"build", "console proxy", "screen", "keyboard"}
    assert "login:" in report["serial_tail"]
    with Image.open(report["screenshot"]) as picture:
        assert picture.width >= 640
    assert cloud.instances() == []


def prompt_is_shown(text: str) -> bool:
    """Whether a screen's text is that of a login prompt at which nothing was typed."""
    return from_screen(text) is BootState.LOGIN_PROMPT


def test_a_person_logs_in_on_the_novnc_page(cloud: Cloud, prepared: str) -> None:
    # The browser's driver is installed by `make test-cloud` alone.
    from tests.support import novnc  # noqa: PLC0415

    user_data = "#cloud-config\n" + json.dumps(
        {
            "users": [
                {
                    "name": USER,
                    "plain_text_passwd": PASSWORD,
                    "lock_passwd": False,
                    "shell": "/bin/bash",
                }
            ]
        }
    )
    encoded = base64.b64encode(user_data.encode()).decode()
    with instance(cloud, prepared, user_data=encoded, config_drive=True) as server:
        console = cloud.connection.compute.create_console(server, console_type="novnc")
        with novnc.page(console["url"]) as page:
            page.wait(prompt_is_shown, 900, every=30)
            page.keep(PICTURES / "novnc-prompt.png")
            # The prompt may be there before cloud-init has made the user: a person tries again.
            for seconds in (60, 120, 180, 300):
                page.wait(prompt_is_shown, 300, every=30)
                page.type(USER)
                page.wait(
                    lambda text: "assword" in text, 300, typing=USER, when=prompt_is_shown, every=30
                )
                page.type(PASSWORD)
                with contextlib.suppress(AssertionError):
                    page.wait(lambda text: f"{USER}@" in text, seconds)
                    break
            page.wait(lambda text: f"{USER}@" in text, 10)
            page.type("clear")
            page.wait(lambda text: "Debian" not in text, 120)
            page.type("uname -m")
            page.wait(lambda text: "aarch64" in text.rpartition("uname")[2], 120)
            page.keep(PICTURES / "novnc.png")


def test_images_go_to_hosts_of_their_architecture(cloud: Cloud, tiny: Callable[..., str]) -> None:
    for image, host in (
        (tiny("tiny-aarch64", **arm()), ARM_HOST.name),
        (tiny("tiny-x86", architecture="x86_64"), X86_HOST.name),
    ):
        with instance(cloud, image) as server:
            assert server.compute_host == host, image


def test_the_audit_names_the_image_that_may_go_anywhere(
    cloud: Cloud, tiny: Callable[..., str], prepared: str, unprepared: str
) -> None:
    name = tiny("tiny-anywhere")
    done = cloud.kollarm("guest", "audit", "--cloud", CLOUD, "--json")
    assert done.status == 1
    report = done.document
    found = {finding["name"]: finding for finding in report["findings"]}
    assert "no architecture" in found[name]["reason"]
    assert prepared not in found and unprepared not in found


def test_another_user_of_the_machine_gets_in_nowhere(
    cloud: Cloud, tiny: Callable[..., str]
) -> None:
    with instance(cloud, tiny("tiny-aarch64", **arm())):
        attempts = cloud_attempts.without_password(cloud.layout)
        assert neighbour.successes(attempts) == []
        assert len(cloud_attempts.server_users()) == 3
    known = cloud_attempts.with_password(cloud.layout)
    assert neighbour.successes(known) == known


def failed(done: Outcome) -> dict[str, Any]:
    """The report of a proof that failed."""
    assert done.status == 1, done.stdout + done.stderr
    report: dict[str, Any] = done.document
    return report


def diagnosis(done: Outcome) -> dict[str, str]:
    """What a failed proof says failed."""
    found: dict[str, str] = failed(done)["diagnosis"]
    return found


def test_no_host_of_the_architecture_is_the_schedulers_fault(
    cloud: Cloud, tiny: Callable[..., str]
) -> None:
    found = diagnosis(cloud.verify(tiny("tiny-s390x", architecture="s390x")))
    assert found["stage"] == "scheduler"
    assert "s390x" in found["reason"] and "No valid host" in found["fault"]
    assert cloud.instances() == []


def test_a_disk_with_nothing_to_boot_is_the_firmwares_fault(
    cloud: Cloud, tiny: Callable[..., str]
) -> None:
    report = failed(cloud.verify(tiny("tiny-aarch64", **arm()), "--timeout", "300"))
    assert report["diagnosis"]["stage"] == "firmware", report
    for console in ("screen", "serial"):
        assert report[console] in (BootState.FIRMWARE_SHELL, BootState.FIRMWARE_MENU), report


def test_a_proxy_that_is_down_is_named(cloud: Cloud, tiny: Callable[..., str]) -> None:
    image = tiny("tiny-aarch64", **arm())
    process = daemon.running_in(cloud.layout.service_folder("nova-novncproxy"))
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    run([*as_root, "kill", str(process)])
    try:
        found = diagnosis(cloud.verify(image))
    finally:
        run([*cloud.script, "up"], timeout=600)
    assert found["stage"] == "console proxy"
    assert "nova-novncproxy" in found["remedy"]
    assert f"127.0.0.1:{cloud.layout.proxy_port}" in found["fault"]


def test_a_full_quota_is_said_in_plain_words(cloud: Cloud, tiny: Callable[..., str]) -> None:
    image = tiny("tiny-aarch64", **arm())
    connection = cloud.connection
    project = connection.current_project_id
    connection.set_compute_quotas(project, instances=0)
    try:
        found = diagnosis(cloud.verify(image))
    finally:
        connection.set_compute_quotas(project, instances=10)
    assert found["stage"] == "request"
    assert "quota" in found["reason"]


def verify_until_active(cloud: Cloud, image: str) -> subprocess.Popen[str]:
    """A proof under way, whose instance is active."""
    process = subprocess.Popen(
        [*COMMAND, "guest", "prove", image, "--cloud", CLOUD,
         "--screenshot", str(PICTURES / "killed.png")],
        env=dict(os.environ) | {"OS_CLIENT_CONFIG_FILE": str(cloud.layout.clouds_yaml)},
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    limit = time.monotonic() + 300
    compute = cloud.connection.compute
    while not [server for server in compute.servers(name=NAME) if server.status == "ACTIVE"]:
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(1)
    return process


def test_an_interrupted_proof_leaves_nothing(cloud: Cloud, tiny: Callable[..., str]) -> None:
    process = verify_until_active(cloud, tiny("tiny-aarch64", **arm()))
    process.send_signal(signal.SIGINT)
    assert process.wait(200) == 130
    assert cloud.instances() == []


def test_what_a_killed_proof_left_is_deleted_by_the_next(
    cloud: Cloud, tiny: Callable[..., str]
) -> None:
    image = tiny("tiny-aarch64", **arm())
    process = verify_until_active(cloud, image)
    process.kill()
    process.wait()
    [left] = cloud.instances()
    assert MARK in cloud.connection.compute.get_server(left).metadata
    done = cloud.verify(tiny("tiny-s390x", architecture="s390x"))
    assert left in done.stderr
    assert cloud.instances() == []


def test_a_deployment_ends_with_a_console_of_each_architecture(
    cloud: Cloud, prepared: str, x86: str
) -> None:
    data = yaml.safe_load(cloud.config.read_text())
    hosts = {host.name: host.architecture for host in (ARM_HOST, X86_HOST)}
    data["deploy"] = {
        "hosts": {
            name: {"architecture": architecture, "groups": ["compute"]}
            for name, architecture in hosts.items()
        },
        "vips": {"internal": "127.0.0.1"},
        "proof": {"images": {"aarch64": prepared, "x86_64": x86}},
    }
    config = cloud.folder / "deploy.yml"
    config.write_text(yaml.safe_dump(data))
    done = cloud.kollarm("deploy", "proof", "--config", config, "--json")
    assert done.status == 0, done.stdout + done.stderr
    proof = done.document["proof"]
    assert {proven["host"]: arch for arch, proven in proof["proofs"].items()} == hosts
    page = Path(proof["report"]).read_text()
    for proven in proof["proofs"].values():
        picture = base64.b64encode(Path(proven["screenshot"]).read_bytes()).decode()
        assert picture in page
        assert "login:" in proven["screen_text"]
    (PICTURES / "report.html").write_text(page)
    assert cloud.instances() == []
