"""An x86 guest that is soon up: Debian's kernel, and busybox with a login prompt on the screen.

Nova starts it from a kernel and an initramfs, so its disk needs nothing on it.
"""

from __future__ import annotations

import hashlib
import lzma
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core import debian_root
from core.config.model import AptArchive
from core.run import run
from guestprep.archive.client import ArchiveClient
from guestprep.archive.deb import open_deb
from guestprep.parse.cpio import Member, write_archive
from guestprep.publish.signatures import ImageSigner
from testbed.guest_image.layouts import SUITE

#: The file name of the image itself.
_DISK = "disk.qcow2"

#: A keyboard of its own: Nova would change one on PS/2 for one on USB in the first hard reboot, and
#: this kernel has no USB.
KEYBOARD = {"hw_input_bus": "virtio"}

#: The first program. The screen of an x86 machine needs no driver.
_INIT = """\
#!/bin/busybox sh
export PATH=/bin
busybox mkdir -p /proc /sys /dev
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
busybox insmod /virtio_input.ko
busybox hostname x86-guest
for place in tty1 ttyS0; do
    while :; do busybox setsid busybox getty -L 115200 "$place" linux; done &
done
while :; do busybox sleep 1000; done
"""


def publish(
    connection: Any,
    name: str,
    folder: Path,
    *,
    signer: ImageSigner | None = None,
    properties: Mapping[str, str] = KEYBOARD,
) -> None:
    """Put the image, its kernel and its initramfs into the cloud's Glance.

    :param connection: openstacksdk's.
    :param folder: for the files.
    :param signer: signs all three.
    :param properties: of the image, besides those that it needs to start.
    """
    archive = AptArchive(
        uri=debian_root.DEFAULT_MIRROR, suite=SUITE, keyring=Path(debian_root.KEYRING)
    )
    client = ArchiveClient([archive], "amd64")
    meta = client.candidates("linux-image-cloud-amd64")[0]
    image = meta.relations["Depends"][0][0].name
    (folder / "kernel").write_bytes(
        _file(client, image, lambda path: path.startswith("boot/vmlinuz-"))
    )
    keyboard = lzma.decompress(
        _file(client, image, lambda path: path.endswith("/virtio_input.ko.xz"))
    )
    busybox = _file(client, "busybox-static", lambda path: path.endswith("bin/busybox"))
    (folder / "initramfs").write_bytes(
        write_archive(
            [
                Member("bin", stat.S_IFDIR | 0o755, 0),
                Member("bin/busybox", stat.S_IFREG | 0o755, len(busybox), busybox),
                Member("virtio_input.ko", stat.S_IFREG | 0o644, len(keyboard), keyboard),
                Member("init", stat.S_IFREG | 0o755, len(_INIT), _INIT.encode()),
            ]
        )
    )
    run(["qemu-img", "create", "-q", "-f", "qcow2", folder / _DISK, "16M"])

    def create(part: str, kind: str, **properties: str) -> str:
        path = folder / part
        if signer is not None:
            properties |= signer.properties(hashlib.sha512(path.read_bytes()).hexdigest())
        image = connection.image.create_image(
            name if part == _DISK else f"{name}-{part}", filename=str(path), disk_format=kind,
            container_format="bare" if part == _DISK else kind, wait=True, **properties,
        )  # fmt: skip
        return str(image.id)

    create(
        # It doesn't hear the request to shut down, for which Nova would wait a minute.
        _DISK, "qcow2", architecture="x86_64", os_shutdown_timeout="0",
        os_command_line="console=ttyS0 console=tty0",
        kernel_id=create("kernel", "aki"), ramdisk_id=create("initramfs", "ari"), **properties,
    )  # fmt: skip


def _file(client: ArchiveClient, package: str, wanted: Callable[[str], bool]) -> bytes:
    """The file of a package whose path is as wanted."""
    with open_deb(client.fetch(client.candidates(package)[0])).data() as archive:
        for entry in archive:
            if entry.isfile() and wanted(entry.name.removeprefix("./")):
                stream = archive.extractfile(entry)
                assert stream is not None
                return stream.read()
    raise AssertionError(f"{package} has no such file")
