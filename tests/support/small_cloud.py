"""The small real cloud that tests of consoles use, with a configuration for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.paths import project_dir
from core.run import run
from kollarm.console_proof.compute import NAME
from testbed.cloud.layout import CloudLayout
from testbed.cloud.lifecycle import CLOUD, connection
from testbed.cloud.service_catalog import FLAVOR
from testbed.guest_image import LAYOUTS, make
from tests.support import x86_guest
from tests.support.commands import Outcome, kollarm
from tests.support.servers import free_port

#: What a guest emulated on this machine needs besides what kollarm sets.
EMULATED = {"hw_emulation_architecture": "aarch64"}

PREPARED = "ubuntu-18.04-arm64"

#: An image that boots on the x86 host, within seconds.
X86 = "x86-small"

#: Where the pictures are kept.
PICTURES = project_dir() / ".kollarm" / "test-cloud-pictures"


@dataclass(frozen=True)
class Cloud:
    """The cloud under test, and a configuration for it."""

    layout: CloudLayout
    config: Path
    folder: Path
    script: list[str | Path]

    @property
    def connection(self) -> Any:
        return connection(self.layout)

    def kollarm(self, *words: str | Path) -> Outcome:
        """The command, with the cloud's clouds.yaml."""
        return kollarm(*words, OS_CLIENT_CONFIG_FILE=str(self.layout.clouds_yaml))

    def verify(self, image: str, *words: str | Path) -> Outcome:
        """Prove an image."""
        return self.kollarm(
            "guest", "prove", image, "--cloud", CLOUD, "--json",
            "--screenshot", PICTURES / f"{image}.png", *words,
        )  # fmt: skip

    def instances(self) -> list[str]:
        return [server.id for server in self.connection.compute.servers(name=NAME)]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("cloud")
    PICTURES.mkdir(parents=True, exist_ok=True)
    source = make(LAYOUTS["ubuntu-18.04"])
    data = yaml.safe_load((project_dir() / "examples" / "quickstart.yml").read_text())
    data["state_dir"] = "state"
    data["cloud"] = {"name": CLOUD}
    [guest] = data["guests"]
    guest["source"]["path"] = str(source.image)
    guest["source"]["sha256sums"] = str(source.image.parent / "SHA256SUMS")
    guest["archives"][0]["uri"] = f"file:{source.archive}"
    guest["archives"][0]["keyring"] = str(source.keyring)
    guest["properties"] = EMULATED
    config = folder / "kollarm.yml"
    config.write_text(yaml.safe_dump(data))
    layout = CloudLayout(folder / "dev-cloud", free_port(), x86_host=True, serial=True)
    script: list[str | Path] = [project_dir() / "scripts" / "dev-cloud", "--folder", layout.folder]
    try:
        run(
            [*script, "up", "--x86-host", "--serial", "--port", str(layout.first_port)],
            timeout=1500,
        )
        yield Cloud(layout, config, folder, script)
    finally:
        run([*script, "down", "--purge"], timeout=300)


@pytest.fixture(scope="module")
def prepared(cloud: Cloud) -> str:
    """The name of the prepared image, published as a user publishes it."""
    for step in ("prepare", "publish"):
        done = cloud.kollarm("guest", step, "--config", cloud.config)
        assert done.status == 0, done.stderr
    return PREPARED


@pytest.fixture(scope="module")
def x86(cloud: Cloud) -> str:
    """The name of an image for the x86 host."""
    x86_guest.publish(cloud.connection, X86, cloud.folder)
    return X86


@contextmanager
def instance(cloud: Cloud, image: str, **more: Any) -> Iterator[Any]:
    """An active instance, gone afterwards."""
    connection = cloud.connection
    compute = connection.compute
    server = compute.create_server(
        name="test", image_id=connection.image.find_image(image).id,
        flavor_id=compute.find_flavor(FLAVOR).id, networks="none", **more,
    )  # fmt: skip
    try:
        yield compute.wait_for_server(server, wait=300)
    finally:
        compute.delete_server(server)
        compute.wait_for_delete(server, wait=180)
