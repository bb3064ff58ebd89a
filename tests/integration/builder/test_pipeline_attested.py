"""Attestations of images that the real engine built: none is lost, none is signed unknown."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import requests

from builder import pipeline
from builder.record import BuildRecord, State
from builder.request import BuildRequest
from core.attestation import verification
from core.attestation.signing import read_key
from core.config.model import Architecture, Config, Registry
from core.errors import KollarmError
from core.oci.registry import RegistryClient
from tests.support.project import Project
from tests.support.stocked import put

pytestmark = [pytest.mark.integration, pytest.mark.slow]

X86 = Architecture.X86_64


def unattested(project: Project, tag: str) -> Config:
    """The configuration for a tag, under which the images and indices are, but no attestations."""
    config = project.config(tag=tag)
    without = Registry(address=project.registry.address, attest=False)
    record = project.build(config.model_copy(update={"registry": without}), "base", "cron")
    record.raise_for_failures()
    return config


def attested(project: Project, tag: str) -> bool:
    client = RegistryClient(project.registry.address)
    return all(
        finding.good
        for name in ("base", "cron")
        for finding in verification.verify(client, f"kolla/{name}", tag)
    )


def test_a_run_that_ended_before_its_index_loses_no_bill(
    built: BuildRecord, project: Project
) -> None:
    config = unattested(project, "unjoined")
    client = RegistryClient(project.registry.address)
    for name in ("base", "cron"):
        index = client.index(f"kolla/{name}", "unjoined")
        assert index is not None
        url = f"http://{project.registry.address}/v2/kolla/{name}/manifests/{index.digest}"
        assert requests.delete(url, timeout=30).status_code == 202
    record = project.build(config, "base", "cron")
    assert {row.state for row in record.images} == {State.KEPT}
    assert {(row.state, row.warnings) for row in record.indices} == {(State.WRITTEN, ())}
    assert attested(project, "unjoined")


def test_attestations_are_written_later(built: BuildRecord, project: Project) -> None:
    config = unattested(project, "later")
    assert not attested(project, "later")
    record = pipeline.attest(BuildRequest(config, images=["base", "cron"]))
    assert {(row.state, row.warnings) for row in record.indices} == {(State.KEPT, ())}
    assert attested(project, "later")
    before = project.stored()
    pipeline.attest(BuildRequest(config, images=["base", "cron"]))
    assert project.stored() == before, "nothing was missing"
    project.template.write_text("{% block cron_footer %}RUN true{% endblock %}")
    try:
        with pytest.raises(KollarmError, match="up to date"):
            pipeline.attest(BuildRequest(config, images=["base", "cron"]))
    finally:
        project.template.write_text("")


def test_what_is_signed_was_built_here(
    built: BuildRecord, project: Project, tmp_path: Path
) -> None:
    """With a key, an image that somebody else put under a member's tag is never signed."""
    key = tmp_path / "key.pem"
    words = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key)]
    subprocess.run(words, check=True)
    config = project.config(tag="signed").model_copy(update={"signing_key": key})
    project.build(config, "base", "cron").raise_for_failures()
    client, public = RegistryClient(project.registry.address), read_key(key).public
    right = client.image("kolla/base", f"signed-{X86}")
    assert right is not None and right.key is not None
    put(client, "kolla/base", f"signed-{X86}", X86, right.key, b"backdoor")
    evil = client.image("kolla/base", f"signed-{X86}")
    assert evil is not None and evil.digest != right.digest and evil.key == right.key
    record = project.build(config, "base", "cron")
    record.raise_for_failures()
    assert [(row.image, row.state) for row in record.images] == [
        ("base", State.PUSHED), ("cron", State.KEPT)
    ]  # fmt: skip
    for name in ("base", "cron"):
        index = client.index(f"kolla/{name}", "signed")
        assert index is not None and evil.digest not in {one.digest for one in index.entries}
        findings = verification.verify(client, f"kolla/{name}", "signed", public)
        assert all(finding.good for finding in findings), findings
