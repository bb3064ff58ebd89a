"""QEMU's command line, and what is found on this host."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path

import pytest

from core.errors import KollarmError
from guestprep.boot.machine import (
    FLASH_SIZE,
    PROCESSOR,
    PROCESSOR_16K,
    Accelerator,
    Firmware,
    VirtualMachine,
    choose_accelerator,
    find_firmware,
    has_processor,
)


def machine(
    accelerator: Accelerator = Accelerator.TCG, image: str = "/i/a.qcow2"
) -> VirtualMachine:
    return VirtualMachine(
        image=Path(image),
        format="qcow2",
        firmware=Firmware(Path("/f/CODE"), Path("/f/VARS")),
        accelerator=accelerator,
        folder=Path("/w"),
    )


def test_devices_are_those_of_nova() -> None:
    line = " ".join(machine().command())
    for device in ("scsi-hd", "usb-kbd", "usb-tablet"):
        assert f"-device {device}" in line
    for device in ("virtio-scsi", "virtio-gpu", "virtio-balloon", "virtio-rng"):
        assert f"-device {device}-pci," in line
    assert "-device qemu-xhci," in line
    assert "-vnc unix:/w/vnc" in line
    assert "-machine virt " in line


def test_each_device_has_a_port_of_its_own() -> None:
    words = machine().command()
    devices = [value for word, value in pairwise(words) if word == "-device"]
    ports = [device for device in devices if device.startswith("pcie-root-port")]
    used = [device.rpartition("bus=")[2] for device in devices if "bus=port" in device]
    assert len({port.partition("chassis=")[2] for port in ports}) == len(ports) == len(used)
    assert sorted(used) == sorted(f"port{number}" for number in range(1, len(ports) + 1))


def test_another_processor_is_emulated_if_asked() -> None:
    guest = dataclasses.replace(machine(), processor=PROCESSOR_16K)
    assert f"-cpu {PROCESSOR_16K} " in " ".join(guest.command())
    guest = dataclasses.replace(guest, accelerator=Accelerator.KVM)
    assert "-cpu host " in " ".join(guest.command())


def test_processors_are_asked_of_qemu() -> None:
    assert has_processor(PROCESSOR)
    assert not has_processor("abacus")


def test_nothing_is_written() -> None:
    drives = [word for word in machine().command() if "file=/" in word]
    assert len(drives) == 3
    assert all("snapshot=on" in drive or "readonly=on" in drive for drive in drives)


def test_kvm_uses_the_host_processor() -> None:
    command = machine(Accelerator.KVM).command()
    assert command[command.index("-cpu") + 1] == "host"
    assert command[command.index("-accel") + 1] == "kvm"


def test_commas_in_paths_are_escaped() -> None:
    assert any(
        word.endswith("file=/i/a,,b.qcow2") for word in machine(image="/i/a,b.qcow2").command()
    )


def test_firmware_of_the_wrong_size_is_passed_over(tmp_path: Path) -> None:
    places = []
    for name, size in (("small", 1024), ("right", FLASH_SIZE)):
        place = Firmware(tmp_path / f"{name}.code", tmp_path / f"{name}.vars")
        for file in (place.code, place.variables):
            with file.open("wb") as stream:
                stream.truncate(size)
        places.append(place)
    assert find_firmware([Firmware(tmp_path / "none", tmp_path / "none"), *places]) == places[1]


def test_missing_firmware_has_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(KollarmError) as caught:
        find_firmware([Firmware(tmp_path / "a", tmp_path / "b")])
    assert "qemu-efi-aarch64" in str(caught.value.hint)


def test_a_foreign_host_never_probes_kvm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    firmware = Firmware(Path("/f/CODE"), Path("/f/VARS"))
    assert choose_accelerator(firmware) is Accelerator.TCG
