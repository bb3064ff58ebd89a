"""A clock that is wrong or jumps: nothing is lost, nothing wrongly fresh, and it is said."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from builder import index
from core.attestation import verification
from core.oci.registry import RegistryClient
from guestprep import record
from guestprep.publish import connect
from guestprep.publish.cloud import Glance
from kollarm.services.glance import EmbeddedGlance
from tests.faults.counts import count
from tests.support import cron_images, guest_disks
from tests.support.clocks import AHEAD, BEHIND, Clock
from tests.support.commands import Outcome, kollarm
from tests.support.kill import run
from tests.support.registries import RunningRegistry
from tests.support.upload import disk

SUBJECT = "clock wrong or jumping"

YEAR = timedelta(days=365)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    (tmp_path / "clock").mkdir()
    return Clock(tmp_path / "clock")


def json_of(words: Sequence[str | Path], environ: Mapping[str, str] | None = None) -> Outcome:
    """Run a command that prints JSON."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (environ or {}).items():
            patch.setenv(name, value)
        return kollarm(*words, "--json")


def publishes(cloud: EmbeddedGlance, clock: Clock, image: Path) -> None:
    """Publish by a wrong clock, then by the right one: one image, and it is right."""
    environ = {"OS_CLIENT_CONFIG_FILE": str(cloud.clouds_yaml), "OS_CLOUD": cloud.cloud}
    connection: Any = connect(cloud.cloud, clouds_yaml=cloud.clouds_yaml)
    api, name = Glance(connection), image.stem
    words: list[str | Path] = ["guest", "publish", image, "--unchecked", "--name", name]
    done = run(words, environ | clock.environ)
    assert done.status == 0, done.stderr
    [first] = api.find(name=name)
    assert (first.status, first.hash_value) == (
        "active",
        hashlib.sha512(image.read_bytes()).hexdigest(),
    )
    again = json_of(words, environ)
    assert again.document[0]["action"] == "keep", again.stdout
    assert [one.id for one in api.find(name=name)] == [first.id]
    api.delete(first.id)
    count(SUBJECT, "images published, right and once")


@pytest.mark.parametrize("offset", [BEHIND, AHEAD])
def test_publishing_by_a_wrong_clock(
    cloud: EmbeddedGlance, clock: Clock, tmp_path: Path, offset: int
) -> None:
    """Keystone's tokens have long expired by it, or were given in the future."""
    clock.set(offset)
    publishes(cloud, clock, disk(tmp_path / f"clock{offset}.qcow2", 20))


def test_publishing_while_the_clock_jumps(
    cloud: EmbeddedGlance, clock: Clock, tmp_path: Path
) -> None:
    with clock.jumping():
        publishes(cloud, clock, disk(tmp_path / "jumping.qcow2", 60))


def test_preparing_by_a_wrong_clock(clock: Clock, tmp_path: Path) -> None:
    """Behind: the archive's signature is of the future, which no replay is.  Ahead: it is old."""
    source = guest_disks.make(tmp_path / "source.qcow2", tmp_path / "work")
    packages = guest_disks.archive(tmp_path / "archive")
    guest = {
        "name": "g",
        "source": {"path": str(source), "sha256": hashlib.sha256(source.read_bytes()).hexdigest()},
        "archives": [
            {
                "uri": f"file:{packages.folder}",
                "suite": packages.suite,
                "keyring": str(packages.keyring),
            }
        ],
    }
    config = tmp_path / "kollarm.yml"
    config.write_text(yaml.safe_dump({"guests": [guest]}))
    words: list[str | Path] = ["guest", "prepare", "--config", config]
    made = tmp_path / ".kollarm" / "guests" / "g.qcow2"

    clock.set(BEHIND)
    refused = run(words, clock.environ)
    assert refused.status == 1
    assert "clock" in refused.stderr
    assert not made.exists()
    count(SUBJECT, "archives refused, the clock named")

    with clock.jumping(1.0):
        jumped = run(words, clock.environ)
    assert jumped.status in (0, 1)
    assert jumped.status == 0 or "clock" in jumped.stderr, jumped.stderr
    assert made.exists() == (jumped.status == 0)

    clock.set(AHEAD)
    ahead = run(words, clock.environ)
    assert ahead.status == 0, ahead.stderr
    told = json.loads(record.record_path(made).read_text())
    assert told["sha256"] == hashlib.sha256(made.read_bytes()).hexdigest()
    assert all(seconds < 3600 for seconds in told["seconds"].values())
    again = json_of(words)
    assert again.document[0]["kept"], again.stdout
    count(SUBJECT, "guests prepared, and kept by the right clock")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RunningRegistry]:
    running = RunningRegistry(tmp_path / "registry")
    yield running
    running.stop()


def test_building_by_a_wrong_clock(clock: Clock, registry: RunningRegistry, tmp_path: Path) -> None:
    """What is there is kept by any clock; what a refresh can't know the age of is made again."""
    config = cron_images.write(tmp_path, registry.address)
    words: list[str | Path] = ["build", "--config", config]
    client = RegistryClient(registry.address)

    def builds(name: str, environ: dict[str, str]) -> dict[str, str]:
        """Build by a clock, then by the right one; the date that the provenance bears."""
        cron_images.step(tmp_path, f"echo {name}")
        done = run(words, environ)
        assert done.status == 0, done.stderr
        for image in cron_images.IMAGES:
            found = client.index(f"kolla/{image}", "2026.1")
            assert found is not None
            index.check(client, f"kolla/{image}", "2026.1", found.digest)
        again = json_of(words)
        assert {row["state"] for row in again.document["images"]} == {"kept"}, again.stderr
        count(SUBJECT, "builds that left whole indices, kept by the right clock")
        [told] = verification.statements(client, "kolla/cron", "2026.1")
        dates: dict[str, str] = told["predicate"]["runDetails"]["metadata"]
        return dates

    for offset in (BEHIND, AHEAD):
        clock.set(offset)
        finished = builds(f"by{offset}", clock.environ)["finishedOn"]
        real = datetime.fromisoformat(finished) - timedelta(seconds=offset)
        assert abs(real - datetime.now(UTC)) < timedelta(minutes=10)
    with clock.jumping():
        builds("jumping", clock.environ)

    def refreshed(offset: int) -> dict[str, str]:
        clock.set(offset)
        planned = json_of([*words, "--refresh", "26w", "--dry-run"], clock.environ)
        assert planned.status == 0, planned.stderr
        return {one["image"]: one["reason"] for one in planned.document["images"]}

    assert "this machine's clock is before" in refreshed(BEHIND)["base"]
    assert "its packages are of" in refreshed(AHEAD)["base"]
    count(SUBJECT, "refreshes planned though the clock is wrong", 2)


def certificate(folder: Path, host: str) -> dict[str, str]:
    """A certificate for an address of this machine, from yesterday for a year, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a registry")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + YEAR)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return {"certificate": str(folder / "tls.pem"), "key": str(folder / "tls.key")}


def own_address() -> str:
    """An address of this machine that isn't loopback, where registries speak plain HTTP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent
        address: str = probe.getsockname()[0]
        return address


@pytest.mark.parametrize(
    ("offset", "words"),
    [
        (BEHIND, "certificate is not yet valid"),
        (AHEAD, "certificate has expired"),
    ],
)
def test_a_certificates_dates_point_to_the_clock(
    clock: Clock, tmp_path: Path, offset: int, words: str
) -> None:
    host = own_address()
    running = RunningRegistry(tmp_path / "registry", host=host, tls=certificate(tmp_path, host))
    address = running.address
    config = tmp_path / "kollarm.yml"
    config.write_text(
        yaml.safe_dump(
            {
                "registry": {"address": address},
                "ca_bundle": str(tmp_path / "tls.pem"),
                "build": {"images": ["base"]},
            }
        )
    )
    try:
        clock.set(offset)
        found = json_of(["doctor", "--config", config], clock.environ)
        clock.set(0)
        right = json_of(["doctor", "--config", config], clock.environ)
    finally:
        running.stop()
    wrong = {one["subject"]: one for one in found.document["findings"]}
    assert found.status == 1
    assert words in wrong[f"registry {address}"]["text"]
    assert "this machine's clock says" in wrong[f"registry {address}"]["remedy"]
    assert wrong["clock"]["level"] == "missing" and "400 days" in wrong["clock"]["text"]
    levels = {one["subject"]: one["level"] for one in right.document["findings"]}
    assert levels[f"registry {address}"] == "ok", right.stdout
    count(SUBJECT, "certificates refused, the clock named")


def test_a_run_that_began_in_the_future_still_has_its_lock(clock: Clock, tmp_path: Path) -> None:
    clock.set(AHEAD)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from core.lock import held\n"
            "with held(Path(sys.argv[1]), 'kollarm images'):\n"
            "    print('held', flush=True); sys.stdin.read()",
            tmp_path / ".kollarm",
        ],
        env=dict(os.environ) | clock.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        (tmp_path / "kollarm.yml").write_text("build: {images: [base]}\n")
        second = kollarm("build", cwd=tmp_path)
    finally:
        holder.communicate()
    assert second.status == 1
    assert f"process {holder.pid} (kollarm images)" in second.stderr
    count(SUBJECT, "locks that held")
