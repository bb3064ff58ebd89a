"""The machine an image is booted on: what this host offers, and QEMU's command line."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from core.errors import KollarmError
from core.run import end, run, which
from guestprep.target import ARCHITECTURE

QEMU = f"qemu-system-{ARCHITECTURE}"

#: The flash banks of QEMU's "virt" machine take files of exactly this size.
FLASH_SIZE = 64 * 1024 * 1024

#: Of the machine: MiB, and virtual processors.
MEMORY, PROCESSORS = 1024, 2

#: The processor that is emulated: a plain ARMv8.0, as "max" pays for pointer authentication. It has
#: pages of 4 and 64 KiB; a kernel for 16 KiB needs the other one (since QEMU 7.1).
PROCESSOR, PROCESSOR_16K = "cortex-a57", "neoverse-n1"

#: What Nova gives every guest of this kind on PCI (nova/virt/libvirt/driver.py: the random number
#: generator and the balloon without being asked); libvirt puts each on a root port of its own.
PCI_DEVICES = (
    "virtio-scsi-pci,id=scsi0",
    "virtio-gpu-pci",
    "qemu-xhci",
    "virtio-balloon-pci",
    "virtio-rng-pci,rng=rng0",
)

#: QEMU's name of the serial console's buffer, and its size in bytes (a power of two).
SERIAL, SERIAL_SIZE = "serial", 64 * 1024

#: Seconds in which firmware must have printed something under a KVM that works.
KVM_PROBE = 15.0


class Accelerator(StrEnum):
    """How a guest's instructions are run."""

    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True)
class Firmware:
    """UEFI firmware in two flash banks: its code, and a template of its variables."""

    code: Path
    variables: Path


#: Where distributions keep it: not every one of them has QEMU's own descriptors of it.
FIRMWARE = tuple(
    Firmware(Path("/usr/share") / folder / code, Path("/usr/share") / folder / variables)
    for folder, code, variables in (
        ("AAVMF", "AAVMF_CODE.fd", "AAVMF_VARS.fd"),
        ("AAVMF", "AAVMF_CODE.no-secboot.fd", "AAVMF_VARS.fd"),
        ("edk2/aarch64", "QEMU_EFI-pflash.raw", "vars-template-pflash.raw"),
        ("qemu", "aavmf-aarch64-code.bin", "aavmf-aarch64-vars.bin"),
        ("qemu", "edk2-aarch64-code.fd", "edk2-arm-vars.fd"),
    )
)


def find_firmware(places: Sequence[Firmware] = FIRMWARE) -> Firmware:
    """The first firmware of the list that is here and of the right size.

    :raises KollarmError: there is none.
    """
    for place in places:
        files = (place.code, place.variables)
        if all(file.is_file() and file.stat().st_size == FLASH_SIZE for file in files):
            return place
    raise KollarmError(
        "no UEFI firmware for arm64 guests was found",
        hint="install qemu-efi-aarch64 (Debian, Ubuntu) or edk2-aarch64 (Fedora)",
        details="looked for\n" + "\n".join(str(place.code) for place in places),
    )


def find_tools() -> None:
    """Check that QEMU and the text recognition are installed.

    :raises KollarmError: one of them isn't.
    """
    for command, package in ((QEMU, "qemu-system-arm"), ("tesseract", "tesseract-ocr")):
        if which(command) is None:
            raise KollarmError(f"{command} is not installed", hint=f"install {package}")


@dataclass(frozen=True)
class VirtualMachine:
    """A virtual machine and its sockets."""

    image: Path
    format: str
    """Of the image (``qcow2`` or ``raw``)."""
    firmware: Firmware
    accelerator: Accelerator
    folder: Path
    """Where its sockets are."""
    processor: str = PROCESSOR
    """Of those that QEMU emulates; with KVM it is the host's own."""

    @property
    def monitor(self) -> Path:
        """The QMP socket."""
        return self.folder / "qmp"

    def command(self) -> list[str]:
        """QEMU's command line: the devices Nova gives a guest with the properties kollarm sets.

        Nothing is written to the image or the firmware's variables: QEMU keeps
        changes in temporary files without a name.
        """
        kvm = self.accelerator is Accelerator.KVM
        return [
            QEMU,
            *("-name", "kollarm-boot"),
            "-nodefaults",
            *("-machine", "virt,gic-version=host" if kvm else "virt"),
            *("-cpu", "host" if kvm else self.processor),
            *("-accel", "kvm" if kvm else "tcg,thread=multi,tb-size=512"),
            *("-m", str(MEMORY)),
            *("-smp", str(PROCESSORS)),
            *(
                "-drive",
                f"if=pflash,unit=0,format=raw,readonly=on,file={_escaped(self.firmware.code)}",
            ),
            *(
                "-drive",
                f"if=pflash,unit=1,format=raw,snapshot=on,file={_escaped(self.firmware.variables)}",
            ),
            *("-object", "rng-random,id=rng0,filename=/dev/urandom"),
            *_on_ports(PCI_DEVICES),
            *(
                "-drive",
                f"if=none,id=disk0,snapshot=on,cache=unsafe,format={self.format},"
                f"file={_escaped(self.image)}",
            ),
            *("-device", "scsi-hd,bus=scsi0.0,drive=disk0,bootindex=0"),
            *("-device", "usb-kbd"),
            *("-device", "usb-tablet"),
            *("-vnc", f"unix:{_escaped(self.folder / 'vnc')}"),
            # What the serial console prints last: a guest that prints without end fills nothing.
            *("-chardev", f"ringbuf,id={SERIAL},size={SERIAL_SIZE}"),
            *("-serial", f"chardev:{SERIAL}"),
            # A guest that turns itself off leaves its consoles to be read.
            "-no-shutdown",
            *("-qmp", f"unix:{_escaped(self.monitor)},server=on,wait=off"),
        ]


def _on_ports(devices: Sequence[str]) -> Iterator[str]:
    for number, device in enumerate(devices, 1):
        yield from ("-device", f"pcie-root-port,id=port{number},chassis={number}")
        yield from ("-device", f"{device},bus=port{number}")


def has_processor(name: str) -> bool:
    """Whether this machine's QEMU emulates a processor."""
    return name in run([QEMU, "-cpu", "help"]).stdout.split()


def _escaped(path: Path) -> str:
    """A path as a value of QEMU's option syntax, where a comma is doubled."""
    return str(path).replace(",", ",,")


def choose_accelerator(firmware: Firmware) -> Accelerator:
    """The accelerator to use: KVM only on the guest's own architecture and when it works."""
    if platform.machine() != ARCHITECTURE or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Accelerator.TCG
    return Accelerator.KVM if _kvm_works(firmware) else Accelerator.TCG


def _kvm_works(firmware: Firmware) -> bool:
    """Whether firmware gets anywhere under KVM: the device may be there and yet hang."""
    with tempfile.TemporaryDirectory(prefix="kollarm-kvm-") as folder:
        serial = Path(folder) / "serial.log"
        argv = [
            *(QEMU, "-nodefaults", "-display", "none", "-machine", "virt,gic-version=host"),
            *("-cpu", "host", "-accel", "kvm", "-m", "512", "-serial", f"file:{serial}"),
            *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={_escaped(firmware.code)}"),
        ]
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            limit = time.monotonic() + KVM_PROBE
            while time.monotonic() < limit and process.poll() is None:
                if serial.exists() and serial.stat().st_size > 0:
                    return True
                time.sleep(0.2)
            return False
        finally:
            end(process, grace=2.0)
