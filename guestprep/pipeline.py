"""Preparing a guest image from its source to its record."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
import textwrap
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from core import progress
from core.cache import file_digest
from core.config.model import AptArchive, Guest
from core.errors import KollarmError, UnusableInput
from core.run import run
from core.stopwatch import Stopwatch
from guestprep import default_archives, record, result_file
from guestprep.appliance import Appliance, Drive, launch_appliance
from guestprep.appliance.exchange import eject_disk, insert_disk
from guestprep.apply import ApplyResult, apply_offline
from guestprep.apply.apt_check import require_fitting
from guestprep.apply.maintainer_scripts import require_offline
from guestprep.archive.client import ArchiveClient
from guestprep.attestation import provenance
from guestprep.checks import Checks
from guestprep.expectations import Expectations
from guestprep.inside import apply_inside
from guestprep.inspect import Inspection, inspect_disk, inspect_image
from guestprep.parse.dpkg import parse_status
from guestprep.plan.make import make_plan
from guestprep.plan.model import InstallStep, LoaderStep, PreparationPlan
from guestprep.record import PreparationRecord
from guestprep.source import DiskFacts, disk_facts
from guestprep.source.find import locate
from guestprep.spec import PreparationPart, PreparationSpec
from guestprep.target import FALLBACK_LOADER
from guestprep.verify import check_image, verify
from guestprep.workdir import room, workplace


def plan(guest: Guest, *, only: Iterable[PreparationPart] = ()) -> PreparationPlan:
    """What preparing would do: one launch, and nothing is written except to the cache.

    :param only: the parts to do; none named means all.
    :raises UnusableInput: the source can't be prepared, with the reason.
    """
    spec = PreparationSpec.of(guest, only)
    with progress.current().step("source"):
        source, _ = locate(guest.source, guest.architecture)
    return _planned(inspect_image(source, spec.watched), guest.archives, spec)[0]


def prepare(
    guest: Guest, output: Path, *, only: Iterable[PreparationPart] = ()
) -> PreparationRecord:
    """Make the prepared image; it gets its name when it is complete and checked.

    A result whose record says that it was made from the same source, request and recipe is
    kept. The source is only ever read.

    :param output: the qcow2 to make; its record is ``OUTPUT.json``.
    :param only: the parts to do; none named means all.
    :raises UnusableInput: the source can't be prepared, with the reason.
    :raises KollarmError: an archive, the appliance or a check failed.
    """
    clock = Stopwatch()
    with clock.timed("source"), progress.current().step("source"):
        source, digest = locate(guest.source, guest.architecture)
        disk = disk_facts(source)
    spec = PreparationSpec.of(guest, only)
    output = output.absolute()
    if output.exists() and output.samefile(source):
        raise UnusableInput(
            f"{output} is the source itself, which is never written",
            hint="give the result another name (-o)",
        )
    inputs = record.inputs_of(digest, spec, guest.archives)
    earlier = record.earlier(output, inputs)
    if earlier is not None:
        return dataclasses.replace(earlier, source=str(source.absolute()))
    with progress.current().step(f"prepare {guest.name}"), workplace(output) as work, room(work):
        result, inspection, steps, outcome, checks = _make(disk, guest.archives, spec, work, clock)
        facts = inspection.facts
        preparation = PreparationRecord(
            name=guest.name,
            source=str(source.absolute()),
            output=str(output),
            sha256=file_digest(result),
            size=result.stat().st_size,
            distribution=facts.distribution,
            release=facts.release,
            inputs=inputs,
            plan=steps,
            outcome=dataclasses.asdict(outcome),
            checks=checks.checks if checks else (),
            seconds=clock.seconds,
            architecture=facts.architecture,
            uefi=facts.uefi or (FALLBACK_LOADER if steps.steps_of(LoaderStep) else ""),
            admin_user=facts.admin_user,
            bios=facts.bios,
        )
        # The old record goes first: a kill before the new one would leave it beside the new image.
        record.record_path(output).unlink(missing_ok=True)
        status = checks.dpkg_status if checks else inspection.contents.dpkg_status
        provenance.write(preparation, output, status)
        result.replace(output)
        record.write(preparation, record.record_path(output))
    return preparation


def _make(
    disk: DiskFacts,
    archives: Sequence[AptArchive],
    spec: PreparationSpec,
    work: Path,
    clock: Stopwatch,
) -> tuple[Path, Inspection, PreparationPlan, ApplyResult, Checks | None]:
    """Make the result under a temporary name, and check it.

    :returns: the result, what its source held, the plan, what was done, and the checks: None where
        nothing was to be done.
    """
    overlay, result = work / "overlay.qcow2", work / "result.qcow2"
    run(
        [
            *("qemu-img", "create", "-q", "-f", "qcow2"),
            *("-F", disk.format, "-b", disk.path, overlay),
            # The disk has its final size from the start; a smaller one is refused.
            str(max(disk.virtual_size, spec.size if PreparationPart.SIZE in spec.parts else 0)),
        ]
    )
    with ExitStack() as stack:
        with clock.timed("launch"):
            drives = [Drive(overlay, "qcow2", writable=True)]
            appliance = stack.enter_context(launch_appliance(drives, exchangeable=True))
        with clock.timed("inspect"):
            inspection = inspect_disk(appliance, disk, work, spec.watched)
        with clock.timed("plan"):
            steps, client = _planned(inspection, archives, spec)
        # at once: others may be prepared side by side
        progress.current().say(textwrap.indent(steps.to_text(), "  "))
        if steps.empty:
            shutil.copyfile(disk.path, result)
            return result, inspection, steps, ApplyResult((), 0, {}, 0, {}), None
        with clock.timed("apply"):
            carry_out = apply_inside if spec.engine == "guest" else apply_offline
            outcome = carry_out(appliance, inspection, steps, client, work)
            # Either closes the overlay's file with all of it written back. Volumes keep a disk in
            # use, and can't be activated on one that is read-only.
            free = not inspection.contents.layout.has_volumes and eject_disk(appliance)
            if not free:
                appliance.shutdown()
        with clock.timed("convert"), progress.current().step("compress"):
            used = inspection.facts.leftovers.of_a_machine
            result_file.write(overlay, disk, result, spec.compression, used=used)
        overlay.unlink()
        with clock.timed("verify"), progress.current().step("verify") as step:
            promise = Expectations.of(spec, steps)
            checks = _verified(appliance if free else None, result, promise)
            held = sum(check.good for check in checks.checks)
            step.note(f"{held} of {len(checks.checks)} checks hold")
    _require(checks)
    return result, inspection, steps, outcome, checks


def _verified(appliance: Appliance | None, result: Path, promise: Expectations) -> Checks:
    """Check the finished file, which is opened again.

    :param appliance: a running one without a disk, which saves a launch.
    """
    disk = disk_facts(result)
    if appliance is None or not insert_disk(appliance, Drive(Path(disk.path), disk.format)):
        return verify(result, promise)
    with tempfile.TemporaryDirectory(prefix="kollarm-verify-") as work:
        return check_image(inspect_disk(appliance, disk, Path(work), promise.spec.watched), promise)


def _planned(
    inspection: Inspection, archives: Sequence[AptArchive], spec: PreparationSpec
) -> tuple[PreparationPlan, ArchiveClient]:
    client = ArchiveClient(
        archives or default_archives.archives(inspection.facts), spec.architecture.debian
    )
    status = parse_status(inspection.contents.dpkg_status)
    steps = make_plan(inspection.facts, status, spec, client)
    require_fitting(status, steps.steps_of(InstallStep), spec.architecture.debian)
    if spec.engine == "offline":
        require_offline(steps.steps_of(InstallStep), client)
    return steps, client


def _require(checks: Checks) -> None:
    if not checks.good:
        failed = [str(check) for check in checks.checks if not check.good]
        raise KollarmError(
            f"the prepared image fails {len(failed)} of {len(checks.checks)} checks",
            details="\n".join(failed),
            hint="this is a defect of kollarm: please report it with these lines",
        )
