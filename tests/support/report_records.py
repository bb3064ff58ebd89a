"""A run's record as the report gets it, with names that try to break out of the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from builder.record import BuildRecord, ImageRecord, IndexRecord, State
from core.config.deploy import Host
from core.config.model import Architecture
from core.paths import project_dir
from deploy import DeployRecord, DeployStage
from deploy.recap import HostResult, Recap, TaskFailure
from deploy.record import StageResult
from guestprep.boot.report import BootReport
from guestprep.boot.states import BootState
from guestprep.checks import Check
from guestprep.publish.model import PublishAction, PublishRecord
from guestprep.record import PreparationRecord
from kollarm.console_proof.model import Diagnosis, ProofReport, ProofStage
from kollarm.guests.boots import KeptBoot
from kollarm.report import page
from kollarm.report.page import PagePart
from kollarm.report.view import containers_view, run_view
from kollarm.run_images import GuestRecord, ImagesRecord
from tests.support.preparation import install, plan

X86, ARM = Architecture.X86_64, Architecture.AARCH64

#: Markup where a name or a machine's words stand.
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"

DIGEST = "sha256:" + "0123456789abcdef" * 4

PARENTS = {
    "base": None,
    "cron": "base",
    "openstack-base": "base",
    "keystone-base": "openstack-base",
    "keystone": "keystone-base",
    "memcached": "base",
}


def proof(name: str, *, passed: bool) -> KeptBoot:
    state = BootState.LOGIN_PROMPT if passed else BootState.DISPLAY_NOT_ACTIVE
    report = BootReport(
        passed=passed,
        state=state,
        serial_state=BootState.LOGIN_PROMPT,
        seconds=83.0,
        timed_out=not passed,
        accelerator="tcg",
        sightings=(),
        screen_text=HOSTILE,
        serial_tail=HOSTILE,
    )
    return KeptBoot(
        Path("x"), report, project_dir() / "docs" / "images" / f"{name}.png", not passed
    )


def record(folder: Path) -> ImagesRecord:
    """A run of six images for two architectures and a guest."""
    (folder / "logs").mkdir(exist_ok=True)
    rows = []
    for name, parent in PARENTS.items():
        for architecture in (X86, ARM):
            log = folder / "logs" / f"{name}-{architecture}.log"
            log.write_text("a log\n")
            built = name == "cron"
            rows.append(
                ImageRecord(
                    image=name,
                    architecture=architecture,
                    reference=f"registry.example:5000/kolla/{name}:2026.1-{architecture}",
                    state=State.BUILT if built else State.KEPT,
                    digest=DIGEST,
                    size=81_000_000,
                    seconds=75.0 if built else 0.0,
                    log=log if built else None,
                    parent=parent,
                )
            )
    indices = tuple(
        IndexRecord(name, f"registry.example:5000/kolla/{name}:2026.1", State.WRITTEN, DIGEST,
                    (X86, ARM))
        for name in PARENTS
    )  # fmt: skip
    prepared = PreparationRecord(
        name="ubuntu-18.04-arm64",
        source=HOSTILE,
        output="/state/guests/ubuntu-18.04-arm64.qcow2",
        sha256="ab" * 32,
        size=700_000_000,
        distribution="ubuntu",
        release="18.04",
        inputs={},
        plan=plan(
            replace(install("linux-modules-extra", "4.15"), reason=HOSTILE), warnings=(HOSTILE,)
        ),
        outcome={},
        checks=(Check("the initramfs has virtio_gpu", good=True),),
        seconds={"launch": 12.0, "apply": 30.0},
    )
    published = PublishRecord(
        name="ubuntu-18.04-arm64",
        action=PublishAction.UPLOAD,
        image_id="3f6c0ea8-7d58-4fd9-9a3a-0f6f6a6f9c11",
        status="active",
        size=700_000_000,
        digest="sha512:" + "cd" * 64,
        visibility="public",
        properties={"hw_video_model": "virtio", "hostile": HOSTILE},
        changes=(),
        retired=(),
        removed=(),
        sent=700_000_000,
        seconds=20.0,
    )
    guest = GuestRecord(
        "ubuntu-18.04-arm64",
        prepared,
        proof("before", passed=False),
        proof("after", passed=True),
        (published,),
    )
    build = BuildRecord(
        release="2026.1",
        registry="registry.example:5000",
        images=tuple(rows),
        indices=indices,
        seconds=161.0,
        left_out=("x",),
    )
    return ImagesRecord(build, (guest,), 400.0)


def diff(image: str, architecture: Architecture) -> str | None:
    if image == "keystone":
        return None
    if image != "base":
        return ""
    return (
        "--- base/Dockerfile\n+++ base/Dockerfile with overlays\n@@ -1,2 +1,3 @@\n FROM x\n"
        f"-RUN old\n+RUN new {architecture}\n+RUN echo {HOSTILE}\n"
    )


HOSTS = {
    "ctl1": Host(architecture=X86, groups=["control", "network"]),
    "cmp1": Host(architecture=ARM, groups=["compute"]),
}


def deployment() -> DeployRecord:
    """A deployment that failed on the ARM host."""
    recap = Recap(
        (HostResult("ctl1", ok=96, changed=14), HostResult("cmp1", ok=3, failed=1)),
        (TaskFailure("cmp1", "nova-cell : Start", HOSTILE),),
    )
    stages = (
        StageResult(DeployStage.PULL, 0, 75.0),
        StageResult(DeployStage.DEPLOY, 2, 600.0, recap),
    )
    return DeployRecord("2026.1", "22.2.0", "0" * 64, stages, (DeployStage.PRECHECKS,))


def consoles() -> dict[Architecture, ProofReport]:
    """A proof that was passed, and one that failed."""
    failed = Diagnosis(
        ProofStage.SCHEDULER, f"no host {HOSTILE}", "add one", "No valid host was found."
    )
    return {
        ARM: _console("jammy-arm64", project_dir() / "docs" / "images" / "console.png", None),
        X86: _console(HOSTILE, None, failed),
    }


def _console(image: str, screenshot: Path | None, diagnosis: Diagnosis | None) -> ProofReport:
    return ProofReport(
        cloud="new",
        image=image,
        architecture="aarch64",
        instance="1",
        host="arm1",
        seconds={ProofStage.BUILD: 4.0},
        sightings=(),
        screen=BootState.LOGIN_PROMPT,
        serial=BootState.LOGIN_PROMPT,
        screen_text="",
        serial_tail="",
        screenshot=screenshot,
        diagnosis=diagnosis,
    )


def parts(folder: Path) -> list[PagePart]:
    """The parts of the page of a whole run, and of consoles that were proved a day before."""
    done = record(folder)
    shown = containers_view(done.build, folder=folder, diff=diff)
    return [
        page.run(run_view(done), "today"),
        page.containers(shown, "today"),
        page.guests(done.guests, "mycloud", "today"),
        page.deployment(deployment(), HOSTS, "yesterday"),
        page.consoles(consoles(), "yesterday"),
    ]
