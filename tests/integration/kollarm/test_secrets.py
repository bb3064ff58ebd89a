"""Planted secrets: they are used, and turn up nowhere they could be read.

A registry with a password, a cloud behind Keystone with another, an encrypted
signing key: commands are run at debug level and fail in several ways, while all
argument lists of the machine are watched.  Then everything that was printed,
logged and written is searched.
"""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from kollarm.services.glance import EmbeddedGlance
from tests.support.commands import Outcome, kollarm
from tests.support.registries import RunningRegistry
from tests.support.servers import free_port
from tests.support.upload import disk

pytestmark = pytest.mark.integration

#: A password that isn't the planted one (bcrypt).
HTPASSWD = "ann:$2b$05$abcdefghijklmnopqrstuuSSgfZSwfwKPbBZRnD5O0VgRw2zVgiZC\n"

WRONG = "planted-registry-password-7f3a"
KEY_PASSWORD = "planted-key-password-91bc"
CLOUD_PASSWORD = "planted-cloud-password-2e4d"
PROXY_PASSWORD = "planted-proxy-password-c05e"


@contextmanager
def watched_arguments() -> Iterator[set[bytes]]:
    """Every argument list on the machine that mentions a planted secret, while the block runs."""
    found: set[bytes] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = path.read_bytes()
                except OSError:
                    continue
                if b"planted-" in words:
                    found.add(words)
            time.sleep(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def readable_by_others(folder: Path) -> list[Path]:
    """Files below a folder that hold a planted secret and aren't their owner's alone."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077 and b"planted-" in path.read_bytes():
                found.append(path)
    return found


def test_planted_secrets_turn_up_nowhere(
    tmp_path: Path, cloud: EmbeddedGlance, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    registry = RunningRegistry(
        tmp_path / "registry",
        auth={"htpasswd": {"realm": "r", "path": str(tmp_path / "htpasswd")}},
    )
    home = tmp_path / "home"
    secrets = home / "secrets"
    secrets.mkdir(parents=True)
    pair = base64.b64encode(f"ann:{WRONG}".encode()).decode()
    (secrets / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": pair}}}))
    clouds = yaml.safe_load(cloud.clouds_yaml.read_text())
    right = clouds["clouds"][cloud.cloud]["auth"]["password"]
    clouds["clouds"][cloud.cloud]["auth"]["password"] = CLOUD_PASSWORD
    (secrets / "clouds.yaml").write_text(yaml.safe_dump(clouds))
    key = secrets / "key.pem"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-aes256", "-pass", "env:KEY_PASSWORD", "-out", key],
        env=dict(os.environ) | {"KEY_PASSWORD": KEY_PASSWORD}, check=True,
    )  # fmt: skip
    for path in secrets.iterdir():
        path.chmod(0o600)
    image = disk(tmp_path / "image.qcow2", 2)
    config = tmp_path / "kollarm.yml"
    config.write_text(
        yaml.safe_dump(
            {
                "state_dir": str(tmp_path / "state"),
                "registry": {"address": registry.address, "insecure": True},
                "signing_key": str(key),
                "build": {"images": ["base"]},
                "cloud": {"name": cloud.cloud},
            }
        )
    )
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "logs"))
    monkeypatch.setenv("DOCKER_CONFIG", str(secrets))
    monkeypatch.setenv("COSIGN_PASSWORD", KEY_PASSWORD)
    # A proxy for all that isn't on this machine, which builds are told of too.
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://ann:{PROXY_PASSWORD}@127.0.0.1:{free_port()}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")
    publish = (
        "--debug",
        "guest",
        "publish",
        image,
        "--unchecked",
        "--name",
        "s",
        "--config",
        config,
    )
    outcomes: list[Outcome] = []
    try:
        with watched_arguments() as seen:
            for clouds_yaml in (secrets / "clouds.yaml", cloud.clouds_yaml):
                monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds_yaml))
                outcomes.append(kollarm(*publish))
                outcomes.append(kollarm("--debug", "doctor", "--config", config))
            outcomes.append(kollarm("--debug", "build", "--config", config))
            outcomes.append(kollarm("--debug", "attest", "verify", "--config", config))
            outcomes.append(kollarm("config", "show", "--config", config))
    finally:
        registry.stop()
    # Refused by Keystone and by the registry, and once let in: the secrets were used.
    assert [outcome.status for outcome in outcomes] == [1, 1, 0, 1, 1, 1, 0]
    assert "docker login" in outcomes[4].stderr
    assert not seen, seen
    told = "".join(outcome.stdout + outcome.stderr for outcome in outcomes)
    logs = [path for path in (home / "logs").rglob("*.log") if path.is_file()]
    assert len(logs) == len(outcomes)
    for text in (told, *(path.read_text() for path in logs)):
        assert "planted-" not in text and pair not in text and right not in text
        assert "PRIVATE KEY" not in text
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in logs)
    assert not readable_by_others(tmp_path)


DEPLOYMENT = """
release: "2026.1"
state_dir: {folder}/state
registry: {{address: "192.0.2.1:5000"}}  # nobody asks it
build: {{distro: debian}}
deploy:
  config_dir: {folder}/conf
  vips: {{internal: 127.0.0.1}}
  ssh: {{user: kolla, private_key: {key}, port: {port}}}
  hosts:
    ctl1:
      architecture: x86_64
      groups: [control, network]
      connection: local
      interfaces: {{network: lo}}
    arm1:
      architecture: aarch64
      groups: [compute]
      address: 127.0.0.1
      interfaces: {{network: lo, tunnel: lo}}
"""


@pytest.mark.full
def test_what_a_deployment_keeps_secret_turns_up_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """passwords.yml and a private key: a dry run, a stage that ends well, one that fails."""
    key = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    body = key.read_text().splitlines()[1:-1]
    config = tmp_path / "kollarm.yml"
    config.write_text(DEPLOYMENT.format(folder=tmp_path, key=key, port=free_port()))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "logs"))
    assert kollarm("deploy", "config", "--config", config).status == 0
    passwords = tmp_path / "conf" / "passwords.yml"
    planted = {
        name: f"planted-{name}" if isinstance(value, str) and "BEGIN" not in value else value
        for name, value in yaml.safe_load(passwords.read_text()).items()
    }
    passwords.write_text(yaml.safe_dump(planted))
    passwords.chmod(0o600)
    with watched_arguments() as seen:
        words = ("--debug", "deploy", "--config", config)
        outcomes = [
            kollarm(*words, "config", "bootstrap-servers", "--dry-run", "--json"),
            kollarm(*words, "config", "post-deploy"),
            kollarm(*words, "bootstrap-servers", "--limit", "arm1"),
            kollarm(*words, "config", "--json"),
        ]
    assert [outcome.status for outcome in outcomes] == [0, 0, 1, 0], outcomes
    assert not seen, seen
    told = "".join(outcome.stdout + outcome.stderr for outcome in outcomes)
    logs = list((tmp_path / "logs").rglob("*.log"))
    for text in (told, *(path.read_text() for path in logs)):
        assert "planted-" not in text
        assert not [line for line in body if line in text]
    assert not readable_by_others(tmp_path)
    # what kolla-ansible makes of them for its user is that user's alone
    openrc = tmp_path / "conf" / "admin-openrc.sh"
    assert "planted-keystone_admin_password" in openrc.read_text()
    assert stat.S_IMODE(openrc.stat().st_mode) == 0o600
