"""The QEMU guest agent and a larger disk, as requested: seen in a running guest.

Nova gives a guest the agent's channel when its image has the property hw_qemu_guest_agent.
"""

from __future__ import annotations

import json
import socket
import tempfile
from pathlib import Path

import pytest

from core.config.model import AptArchive
from core.debian_root import DEFAULT_MIRROR, KEYRING
from guestprep import pipeline
from guestprep.appliance import Drive, launch_appliance
from guestprep.boot import machine
from guestprep.boot.machine import VirtualMachine
from guestprep.boot.watch import running
from testbed.guest_image import LAYOUTS, make
from testbed.guest_image.layouts import SUITE
from tests.support.guests import guest_of

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(3600)]

#: Seconds for a start where every instruction is emulated.
PATIENCE = 900.0

SIZE = 4 << 30


CHANNEL = "agent"


class WithChannel(VirtualMachine):
    """A machine with the channel that libvirt gives a guest for the agent."""

    def command(self) -> list[str]:
        return [
            *super().command(),
            *("-device", "virtio-serial-pci"),
            *("-chardev", f"socket,id=agent,path={self.folder / CHANNEL},server=on,wait=off"),
            *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
        ]


def with_channel(image: Path, folder: Path) -> VirtualMachine:
    firmware = machine.find_firmware()
    return WithChannel(
        image=image,
        format="qcow2",
        firmware=firmware,
        accelerator=machine.choose_accelerator(firmware),
        folder=folder,
    )


class Agent:
    """A connection to the agent: a line of JSON each way (QEMU's interop/qemu-ga-ref)."""

    def __init__(self, channel: Path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(str(channel))
        self._lines = self._socket.makefile("rb")

    def ask(self, command: str) -> object:
        """The answer to a command; while no agent is there, it waits in the channel."""
        self._socket.sendall(json.dumps({"execute": command}).encode() + b"\n")
        answer = json.loads(self._lines.readline())
        assert "return" in answer, answer
        return answer["return"]

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = make(LAYOUTS["ubuntu-22.04"])
    # Whatever it is laid out like, its packages are Debian's.
    debian = AptArchive(uri=DEFAULT_MIRROR, suite=SUITE, keyring=Path(KEYRING))
    wanted = guest_of(image, archives=[debian], guest_agent=True, size="4G")
    output = tmp_path_factory.mktemp("agent") / "prepared.qcow2"
    record = pipeline.prepare(wanted, output)
    assert "qemu-guest-agent" in str(record.outcome["packages"])
    assert record.checks and all(check.good for check in record.checks)
    return output


def test_the_file_system_fills_the_larger_disk(prepared: Path) -> None:
    with launch_appliance([Drive(prepared, "qcow2")]) as appliance:
        (root,) = (
            device
            for device in appliance.partitions()
            if appliance.block_id(device).get("LABEL") == "cloudimg-rootfs"
        )
        # It raises where anything would have to be mended.
        appliance.call("debug", "sh", [f"e2fsck -f -n {root}"])
        told = appliance.call("tune2fs_l", root)
        length = appliance.call("blockdev_getsize64", root)
        assert int(told["Block count"]) * int(told["Block size"]) == length
        # In front of it lies the ESP, behind it the copy of the partition table.
        assert SIZE - length < 102 << 20


def test_the_agent_answers(prepared: Path) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="kollarm-", dir="/tmp") as folder,
        running(with_channel(prepared, Path(folder))),
        Agent(Path(folder) / CHANNEL) as agent,
    ):
        assert agent.ask("guest-ping") == {}
        info = agent.ask("guest-info")
        assert isinstance(info, dict) and info["version"]
        mounted = agent.ask("guest-get-fsinfo")
        assert isinstance(mounted, list)
        sizes = {entry["mountpoint"]: entry["total-bytes"] for entry in mounted}
        # What ext4 needs for itself is a few per cent.
        assert sizes["/"] > 0.93 * SIZE
