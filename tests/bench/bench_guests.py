"""How quickly, in what memory and to what size a guest image is prepared."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from core.config.model import Config, Guest
from core.run import run
from guestprep import pipeline
from guestprep.appliance import ApplianceError, Drive, acceleration, launch_appliance
from guestprep.inside import enable_emulation, run_inside
from guestprep.inspect.layout import find_layout, mount_all
from guestprep.spec import PreparationPart
from kollarm.guests.prepare import prepare_all
from testbed.guest_image import LAYOUTS, make
from tests.bench.measure import Pair, Samples, at_least, at_most, measure
from tests.support.guests import guest_of

ROUNDS = 3

#: Whose memory is the appliance's own.
_HYPERVISOR = "qemu-system"


def prepared(wanted: Guest, output: Path) -> float:
    """Seconds that a preparation takes."""
    started = time.monotonic()
    pipeline.prepare(wanted, output)
    return time.monotonic() - started


def floor(image: Path, output: Path) -> float:
    """Seconds for what can't be left out: one launch, and writing the result once."""
    started = time.monotonic()
    with launch_appliance([Drive(image, "qcow2")]) as appliance:
        appliance.shutdown()
    run(["qemu-img", "convert", "-O", "qcow2", "-c", "-m", "8", image, output])
    return time.monotonic() - started


@measure(
    compared="a whole preparation against one `qemu-img convert -c` and one launch",
    goal=at_most(1.2),
)
def prepare(folder: Path) -> Samples:
    """Ubuntu 18.04's layout: packages, initramfs, GRUB, verification."""
    image = make(LAYOUTS["ubuntu-18.04"])
    wanted = guest_of(image)
    prepared(wanted, folder / "first.qcow2")  # the packages are in the cache from here on
    for number in range(ROUNDS):
        output = folder / f"{number}.qcow2"
        yield Pair(prepared(wanted, output), floor(image.image, folder / "floor.qcow2"))
        output.unlink()


@measure(
    compared="two images prepared side by side against the sum of their times",
    goal=at_most(0.9),
)
def side_by_side(folder: Path) -> Samples:
    """Two of Ubuntu 18.04's layout, as ``kollarm guest prepare A B`` prepares them."""
    wanted = guest_of(make(LAYOUTS["ubuntu-18.04"]))
    outputs = [folder / f"{number}.qcow2" for number in range(2)]
    for _ in range(ROUNDS):
        alone = sum(prepared(wanted, output) for output in outputs)
        for output in outputs:
            output.unlink()
        started = time.monotonic()
        prepare_all(Config(), [(wanted, output) for output in outputs])
        yield Pair(time.monotonic() - started, alone)
        for output in outputs:
            output.unlink()


@measure(
    compared="the guest's own update-initramfs in the appliance against ours (lower bound)",
    goal=at_least(50),
)
def initramfs(folder: Path) -> Samples:
    """Ubuntu 22.04's layout.

    Emulated twice, the guest's tools take an hour: they are ended after a hundred times the
    offline engine's time, and the ratio is then a lower bound.
    """
    image = make(LAYOUTS["ubuntu-22.04"])
    output = folder / "prepared.qcow2"
    wanted = guest_of(image, compression="none")
    record = pipeline.prepare(
        wanted, output, only=[PreparationPart.LOADING, PreparationPart.INITRAMFS]
    )
    spent = record.outcome["seconds"]
    assert isinstance(spent, dict)
    offline = float(spent["initramfs"])
    with launch_appliance([Drive(output, "qcow2", writable=True)]) as appliance:
        layout = find_layout(appliance)
        appliance.unmount_all()
        mount_all(appliance, layout.mounts, writable=True)
        enable_emulation(appliance, "aarch64")
        started = time.monotonic()
        with contextlib.suppress(ApplianceError):  # still at it when the time is up
            run_inside(appliance, f"update-initramfs -u -k {image.uname}", limit=offline * 100)
        yield Pair(time.monotonic() - started, offline)


@measure(
    compared="a preparation's memory on the host, without the appliance's virtual machine",
    goal=at_most(300),
    unit="MiB",
)
def memory(folder: Path) -> Samples:
    """The most that all its processes have had at one moment (proportional set size)."""
    image = make(LAYOUTS["ubuntu-18.04"])
    code = (
        "import sys; from pathlib import Path; from guestprep import pipeline; "
        "from core.config.model import Guest; "
        "pipeline.prepare(Guest.model_validate_json(sys.argv[1]), Path(sys.argv[2]))"
    )
    for number in range(ROUNDS):
        argv = [sys.executable, "-c", code, guest_of(image).model_dump_json()]
        with (
            subprocess.Popen(
                [*argv, str(folder / f"{number}.qcow2")], stderr=subprocess.DEVNULL
            ) as process,
            _peak(process.pid) as most,
        ):
            if process.wait():
                raise RuntimeError("the preparation failed")
        yield most[0] / (1 << 20)


@contextmanager
def _peak(pid: int) -> Iterator[list[int]]:
    """The highest sum of memory in the list, once the block has ended."""
    most, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.1):
            most[0] = max(most[0], _memory(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        ended.set()
        watcher.join()


def _memory(pid: int) -> int:
    total = 0
    try:
        mother = psutil.Process(pid)
        for process in (mother, *mother.children(recursive=True)):
            if not process.name().startswith(_HYPERVISOR):
                total += process.memory_full_info().pss
    except psutil.Error:
        return 0  # one ended while it was looked at; the next look comes at once
    return total


@measure(
    compared="the result's size against what `virt-sparsify --compress` makes of it",
    goal=at_most(1.05),
)
def size(folder: Path) -> Samples:
    """The result is trimmed and compressed already."""
    image = make(LAYOUTS["ubuntu-18.04"])
    output, sparse = folder / "prepared.qcow2", folder / "sparse.qcow2"
    prepared(guest_of(image), output)
    settings = {"LIBGUESTFS_BACKEND": "direct"}
    if not acceleration.usable():
        settings["LIBGUESTFS_BACKEND_SETTINGS"] = "force_tcg"
    run(
        ["virt-sparsify", "--quiet", "--compress", "--convert", "qcow2", output, sparse],
        env=settings | {"TMPDIR": str(folder)},
        hint="install the package guestfs-tools",
    )
    yield Pair(output.stat().st_size, sparse.stat().st_size)
