"""The end of a deployment: a guest's console on each architecture of the new cloud."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core import files
from core.config.deploy import Deploy
from core.config.model import Architecture, Config
from core.errors import ConfigError, KollarmError
from kollarm.console_proof.model import ProofReport, ProofSpec
from kollarm.console_proof.pipeline import prove
from kollarm.guests.cloud import cloud_for

#: The stage's name, beside those of kolla-ansible.
NAME = "proof"


@dataclass(frozen=True)
class DeploymentProof:
    """The proofs of a cloud, one for each architecture."""

    reports: Mapping[Architecture, ProofReport]

    @property
    def passed(self) -> bool:
        return all(report.passed for report in self.reports.values())

    def to_dict(self) -> dict[str, object]:
        return {
            "passed": self.passed,
            "proofs": {arch.value: report.to_dict() for arch, report in self.reports.items()},
        }

    def to_text(self) -> str:
        return "\n".join(
            f"{arch.value}: {report.to_text()}" for arch, report in self.reports.items()
        )


def proof_specs(deploy: Deploy, folder: Path) -> dict[Architecture, ProofSpec]:
    """The proof for each architecture of the cloud's compute hosts.

    :param folder: where the screenshots go.
    :raises ConfigError: deploy.proof is missing, or omits an architecture.
    """
    settings = deploy.proof
    if settings is None:
        raise ConfigError(
            "the configuration does not say what to prove",
            hint="deploy.proof names the cloud and an image for each architecture, see "
            "docs/console.md",
        )
    present = {host.architecture for host in deploy.hosts.values() if "compute" in host.groups}
    missing = sorted(arch.value for arch in present - set(settings.images))
    if missing:
        raise ConfigError(
            f"the cloud has compute hosts for {', '.join(missing)}, but deploy.proof.images "
            "names no image for it",
            hint="publish an image for it and name it there",
        )
    return {
        arch: ProofSpec(
            image=image,
            flavor=settings.flavor,
            network=settings.network,
            host=None,
            timeout=settings.timeout,
            screenshot=folder / f"{arch.value}.png",
        )
        for arch, image in sorted(settings.images.items())
    }


def prove_deployment(config: Config, deploy: Deploy) -> DeploymentProof:
    """Prove a console on each architecture.

    :raises ConfigError: deploy.proof is missing, or omits an architecture.
    :raises KollarmError: an image is for another architecture than it should prove.
    """
    folder = config.state_dir / NAME
    specs = proof_specs(deploy, folder)
    assert deploy.proof is not None
    folder.mkdir(parents=True, exist_ok=True)
    connection = cloud_for(config, deploy.proof.cloud)
    reports: dict[Architecture, ProofReport] = {}
    for arch, spec in specs.items():
        spec.screenshot.unlink(missing_ok=True)
        report = prove(connection, spec)
        if report.architecture != arch.value:
            raise KollarmError(
                f"the image {spec.image} proves nothing for {arch.value}: its property "
                f"architecture is {report.architecture or 'not set'}",
                hint="kollarm guest audit lists such images with the command that fixes each",
            )
        reports[arch] = report
    proof = DeploymentProof(reports)
    files.write(folder / "proof.json", json.dumps(proof.to_dict(), indent=2, default=str) + "\n")
    return proof
