"""A guest whose files are links to the host's: nothing of the host is ever read."""

from __future__ import annotations

import subprocess
from pathlib import Path

from guestprep.appliance import Drive, GuestCallError, launch_appliance
from tests.faults.counts import count

SECRET = "of the host alone"


def test_links_lead_into_the_guest_only(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    up = "../" * 12
    links = {
        "os-release": str(secret),
        "fstab": f"{up}{secret}",
        "machine-id": "/proc/self/environ",
        "group": f"/proc/1/root{secret}",
    }
    for name, target in links.items():
        (root / "etc" / name).symlink_to(target)
    disk = tmp_path / "guest.raw"
    with disk.open("wb") as stream:
        stream.truncate(32 << 20)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, disk], check=True)
    with launch_appliance([Drive(disk, "raw")]) as appliance:
        appliance.mount(appliance.devices()[0])
        for name in links:
            try:
                content = appliance.read(f"/etc/{name}")
            except GuestCallError:
                content = b""
            assert SECRET.encode() not in content and b"PATH=" not in content
            count("links out of a guest", "followed within the guest or refused")
