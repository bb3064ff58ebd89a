"""Bad input is met with one clear error, and nothing is lost or half-written."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.cache import file_digest
from core.run import run
from testbed.guest_image import LAYOUTS, GuestImage, make
from tests.support.commands import Outcome, kollarm
from tests.support.servers import free_port

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def image() -> GuestImage:
    return make(LAYOUTS["ubuntu-18.04"])


def configured(folder: Path, **sections: Any) -> Path:
    path = folder / "kollarm.yml"
    data = {"release": "2026.1", "state_dir": "state", **sections}
    path.write_text(yaml.safe_dump(data))
    return path


def guest(path: Path, sha256: str | None = None) -> dict[str, Any]:
    digest = sha256 or (file_digest(path) if path.exists() else "0" * 64)
    return {"name": "g", "source": {"path": str(path), "sha256": digest}}


def prepared(folder: Path, entry: dict[str, Any]) -> Outcome:
    return kollarm("guest", "prepare", "--config", configured(folder, guests=[entry]))


def refused(outcome: Outcome, *words: str, status: int = 1) -> None:
    assert outcome.status == status, outcome.stderr
    assert outcome.stdout == ""
    assert "Traceback" not in outcome.stderr
    errors = [line for line in outcome.stderr.splitlines() if line.startswith("kollarm: ")]
    assert len(errors) == 1, outcome.stderr
    for word in words:
        assert word in outcome.stderr, outcome.stderr


def nothing_made(folder: Path) -> None:
    guests = folder / "state" / "guests"
    assert not guests.exists() or not list(guests.iterdir())


def test_a_missing_file(tmp_path: Path) -> None:
    refused(prepared(tmp_path, guest(tmp_path / "none.img")), "none.img")
    nothing_made(tmp_path)


def test_a_file_that_is_no_disk(tmp_path: Path) -> None:
    text = tmp_path / "text.img"
    text.write_text("not a disk\n" * 100)
    refused(prepared(tmp_path, guest(text)), "text.img")
    nothing_made(tmp_path)


def test_an_image_for_x86_64(tmp_path: Path) -> None:
    """A disk whose one file system has the programs of an x86_64 Debian."""
    root = tmp_path / "root"
    for name in ("usr/bin", "etc", "var/lib/dpkg", "boot/grub"):
        (root / name).mkdir(parents=True)
    elf = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9) + struct.pack("<HHI", 3, 62, 1) + bytes(200)
    for program in ("sh", "dpkg", "ls"):
        (root / "usr/bin" / program).write_bytes(elf)
    (root / "bin").symlink_to("usr/bin")
    (root / "etc/os-release").write_text('ID=debian\nVERSION_ID="12"\n')
    (root / "etc/fstab").write_text("LABEL=root / ext4 defaults 0 1\n")
    (root / "var/lib/dpkg/arch").write_text("amd64\n")
    (root / "var/lib/dpkg/status").write_text(
        "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n"
    )
    disk, part = tmp_path / "x86.img", tmp_path / "part"
    with disk.open("wb") as stream:
        stream.truncate(64 << 20)
    run(["sgdisk", "-n1:2048:0", "-t1:8300", disk])
    with part.open("wb") as stream:
        stream.truncate(60 << 20)
    run(["mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", root, part])
    run(["dd", f"if={part}", f"of={disk}", "bs=1M", "seek=1", "conv=notrunc", "status=none"])
    refused(prepared(tmp_path, guest(disk)), "x86.img", "x86_64")
    nothing_made(tmp_path)


def test_a_wrong_checksum(tmp_path: Path, image: GuestImage) -> None:
    before = file_digest(image.image)
    refused(prepared(tmp_path, guest(image.image, "0" * 64)), "SHA256")
    nothing_made(tmp_path)
    assert file_digest(image.image) == before


def test_an_unreachable_registry(tmp_path: Path) -> None:
    port = free_port()
    config = configured(tmp_path, registry={"address": f"127.0.0.1:{port}"})
    refused(kollarm("build", "--config", config), f"127.0.0.1:{port}")


def test_an_unreachable_glance_is_found_before_anything_is_built(tmp_path: Path) -> None:
    port = free_port()
    clouds = tmp_path / "clouds.yaml"
    entry = {
        "auth_type": "none",
        "auth": {"endpoint": f"http://127.0.0.1:{port}"},
        "image_endpoint_override": f"http://127.0.0.1:{port}",
    }
    clouds.write_text(yaml.safe_dump({"clouds": {"gone": entry}}))
    config = configured(
        tmp_path,
        registry={"address": f"127.0.0.1:{free_port()}"},
        guests=[guest(tmp_path / "any.img")],
        cloud={"name": "gone"},
    )
    outcome = kollarm("images", "--config", config, OS_CLIENT_CONFIG_FILE=str(clouds))
    refused(outcome, "gone", f"127.0.0.1:{port}")


def test_an_engine_that_is_not_running(tmp_path: Path, registry: Any) -> None:
    socket = tmp_path / "docker.sock"
    config = configured(
        tmp_path,
        registry={"address": registry.address},
        build={"images": ["base"], "engines": {"x86_64": {"url": f"unix://{socket}"}}},
    )
    refused(kollarm("build", "--config", config), str(socket))
    assert not run(
        ["skopeo", "list-tags", "--tls-verify=false", f"docker://{registry.address}/kolla/base"],
        check=False,
    ).stdout


def test_a_cloud_that_clouds_yaml_has_not(tmp_path: Path) -> None:
    config = configured(
        tmp_path,
        registry={"address": f"127.0.0.1:{free_port()}"},
        guests=[guest(tmp_path / "any.img")],
        cloud={"name": "nowhere"},
    )
    outcome = kollarm("images", "--config", config, OS_CLIENT_CONFIG_FILE=str(tmp_path / "none"))
    refused(outcome, "nowhere", status=2)
