"""What a deployment did, kept so that a later run can continue where it stopped."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from core import files
from deploy.recap import Recap
from deploy.stages import DeployStage

NAME = "kollarm-record.json"


@dataclass(frozen=True)
class StageResult:
    """How one stage ended."""

    stage: DeployStage
    exit_status: int
    """kolla-ansible's exit status."""
    seconds: float
    recap: Recap | None = None
    log: Path | None = None
    """The file with its whole output."""

    def to_dict(self) -> dict[str, object]:
        return {
            "stage": self.stage.value,
            "exit_status": self.exit_status,
            "seconds": round(self.seconds, 1),
            "recap": self.recap.to_dict() if self.recap else None,
            "log": str(self.log) if self.log else None,
        }


@dataclass(frozen=True)
class DeployRecord:
    """The stages that ran and what they left."""

    release: str
    """The OpenStack release."""
    version: str
    """The version of kolla-ansible."""
    digest: str
    """Of everything the plan was made from; ``--resume`` skips stages of the same digest only."""
    stages: tuple[StageResult, ...] = ()
    skipped: tuple[DeployStage, ...] = ()
    """Stages that an earlier run finished."""
    clouds_yaml: Path | None = None
    """The credentials that post-deploy wrote."""
    note: str | None = None
    """What to do next, for a person."""

    @property
    def exit_status(self) -> int:
        """0, or the status of the stage that failed."""
        return next((s.exit_status for s in self.stages if s.exit_status != 0), 0)

    def to_dict(self) -> dict[str, object]:
        return {
            "release": self.release,
            "version": self.version,
            "digest": self.digest,
            "stages": [stage.to_dict() for stage in self.stages],
            "skipped": [stage.value for stage in self.skipped],
            "clouds_yaml": str(self.clouds_yaml) if self.clouds_yaml else None,
            "note": self.note,
        }

    def to_text(self) -> str:
        """For a person: each stage with its recap, then what to do next."""
        parts = [f"{stage.value}: done by an earlier run" for stage in self.skipped]
        for result in self.stages:
            outcome = "done" if result.exit_status == 0 else f"exit status {result.exit_status}"
            parts.append(f"{result.stage.value}: {outcome} ({result.seconds:.0f} s)")
            if result.recap and result.recap.hosts:
                parts.append(result.recap.to_text())
        return "\n".join([*parts, *filter(None, [self.note])])


@dataclass(frozen=True)
class PreviousRun:
    """The journal of earlier runs."""

    digest: str = ""
    done: tuple[str, ...] = ()
    """Stages that succeeded with this digest."""
    deployed: bool = False
    """Whether the stage ``deploy`` ever succeeded."""


@dataclass
class Journal:
    """The journal in the configuration folder, written after every stage."""

    path: Path
    digest: str
    done: list[str] = field(default_factory=list)
    deployed: bool = False

    def add(self, stage: DeployStage) -> None:
        """Record that a stage succeeded."""
        if stage.value not in self.done:
            self.done.append(stage.value)
        if stage is DeployStage.DESTROY:
            self.done, self.deployed = [], False
        self.deployed = self.deployed or stage is DeployStage.DEPLOY
        self.save()

    def save(self) -> None:
        data = {"digest": self.digest, "done": self.done, "deployed": self.deployed}
        files.write(self.path, json.dumps(data, indent=2) + "\n", mode=0o600)


def previous_run(config_dir: Path) -> PreviousRun:
    """Read the journal of earlier runs; it is empty if there is none or it is damaged."""
    try:
        data = json.loads((config_dir / NAME).read_text(encoding="utf-8"))
        return PreviousRun(str(data["digest"]), tuple(data["done"]), bool(data["deployed"]))
    except (OSError, ValueError, KeyError, TypeError):
        return PreviousRun()
