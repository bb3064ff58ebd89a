"""The images that overlays make possible for a small cloud: built, and started as in a cloud."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder import pipeline
from builder.request import BuildRequest
from core.config.model import (
    Architecture,
    BaseImage,
    Bootstrap,
    Build,
    Config,
    Engine,
    Registry,
    SourceOf,
)
from core.paths import project_dir
from tests.support.registries import RunningRegistry

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.slow]

CONFIGURED = "/var/lib/kolla/config_files"

GALERA = """\
[mysqld]
bind-address=127.0.0.1
log_error=/var/log/kolla/mariadb/mariadb.log
binlog_format=ROW
innodb_autoinc_lock_mode=2
datadir=/var/lib/mysql/
wsrep_cluster_address=gcomm://
wsrep_provider=/usr/lib/galera/libgalera_smm.so
wsrep_node_address=127.0.0.1:4567
wsrep_on=ON
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The beginning of the images' references."""
    folder = tmp_path_factory.mktemp("small-cloud")
    registry = RunningRegistry(folder / "registry")
    versions = SourceOf(path=project_dir() / "examples" / "small-cloud")
    config = Config(
        release="2026.1",
        registry=Registry(address=registry.address),
        state_dir=folder / "state",
        build=Build(
            tag="t",
            images=["kolla-toolbox", "mariadb-server", "rabbitmq"],
            overlays=[
                "ca-certificates",
                "debian-archive-only",
                "mariadb-health-check",
                "collections-from-pypi",
            ],
            base=BaseImage(bootstrap=Bootstrap(suite="trixie")),
            sources={"kolla-toolbox": versions, "*-plugin-*": SourceOf(enabled=False)},
            engines={Architecture.X86_64: Engine()},
        ),
    )
    try:
        pipeline.build(BuildRequest(config)).raise_for_failures()
        yield f"{registry.address}/kolla"
    finally:
        registry.stop()


def docker(*words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *map(str, words)], capture_output=True, text=True, check=check, timeout=300
    )


def configured(folder: Path, command: str, user: str, **files: tuple[str, str]) -> list[str]:
    """Options of ``docker run`` with files as kolla-ansible hands them over.

    :param files: name → path in the container, content.
    """
    rows = []
    for name, (path, content) in files.items():
        (folder / name).write_text(content)
        source = f"{CONFIGURED}/{name}"
        rows.append({"source": source, "dest": path, "owner": user, "perm": "0600"})
    (folder / "config.json").write_text(json.dumps({"command": command, "config_files": rows}))
    folder.chmod(0o755)
    return ["-e", "KOLLA_CONFIG_STRATEGY=COPY_ALWAYS", "-v", f"{folder}:{CONFIGURED}:ro"]


@contextmanager
def running(*options: str | Path) -> Iterator[str]:
    name = f"kollarm-test-{uuid.uuid4().hex[:8]}"
    try:
        docker("run", "--detach", "--name", name, *options)
        yield name
    finally:
        docker("rm", "--force", "--volumes", name, check=False)


def succeeds(*words: str, within: float = 90) -> bool:
    """Whether a docker command succeeds at some time."""
    end = time.monotonic() + within
    while docker(*words, check=False).returncode != 0:
        if time.monotonic() > end:
            return False
        time.sleep(1)
    return True


def test_rabbitmq_starts_with_its_management_plugin(images: str, tmp_path: Path) -> None:
    options = configured(
        tmp_path,
        "/usr/sbin/rabbitmq-server",
        "rabbitmq",
        conf=("/etc/rabbitmq/rabbitmq.conf", "management.listener.port = 15672\n"),
        plugins=(
            "/etc/rabbitmq/enabled_plugins",
            "[rabbitmq_management, rabbitmq_prometheus].\n",
        ),
    )
    with running(*options, f"{images}/rabbitmq:t-x86_64") as name:
        asked = ("curl", "--fail", "--silent", "--user", "guest:guest")
        url = "http://127.0.0.1:15672/api/overview"
        assert succeeds("exec", name, *asked, url), docker("logs", name).stderr
        assert succeeds("exec", name, *asked, "http://127.0.0.1:15692/metrics")


def test_mariadb_is_healthy_once_its_monitor_exists(images: str, tmp_path: Path) -> None:
    image, volume = f"{images}/mariadb-server:t-x86_64", f"kollarm-test-{uuid.uuid4().hex[:8]}"
    options = configured(
        tmp_path,
        "/usr/bin/mariadbd-safe",
        "mysql",
        galera=("/etc/mysql/my.cnf", GALERA),
        health=("/etc/mysql/healthcheck.cnf", "[mariadb-client]\nuser=monitor\npassword=m\n"),
    )
    options += ["-v", f"{volume}:/var/lib/mysql"]
    try:
        bootstrap = ("-e", "KOLLA_BOOTSTRAP=", "-e", "DB_ROOT_PASSWORD=root1")
        docker("run", "--rm", *options, *bootstrap, image)
        started = ("-e", "BOOTSTRAP_ARGS=--wsrep-new-cluster")
        with running(*options, *started, image) as name:
            root = ("exec", name, "mariadb", "-uroot", "-proot1", "-e")
            assert succeeds(*root, "SELECT 1"), docker("logs", name).stderr
            check = ("exec", name, "/usr/bin/healthcheck.sh", "--defaults-file",
                     "/etc/mysql/healthcheck.cnf", "--connect", "--galera_online")  # fmt: skip
            assert docker(*check, check=False).returncode == 1
            docker(*root, "CREATE USER monitor@'%' IDENTIFIED BY 'm'")
            assert succeeds(*check), docker(*check, check=False).stderr
            docker(*root, "SET GLOBAL wsrep_desync=ON")
            assert docker(*check, check=False).returncode == 1
    finally:
        docker("volume", "rm", "--force", volume, check=False)


def test_the_toolbox_has_every_collection(images: str) -> None:
    image = f"{images}/kolla-toolbox:t-x86_64"
    wanted = {"ansible.posix", "community.general", "community.mysql", "community.rabbitmq",
              "openstack.cloud", "openvswitch.openvswitch"}  # fmt: skip
    listed = docker("run", "--rm", image, "ansible-galaxy", "collection", "list", "--format=json")
    (found,) = json.loads(listed.stdout).values()
    assert set(found) == wanted
    # by the names that kolla-ansible's roles use
    modules = ("openvswitch_bridge", "openvswitch_db", "mysql_user", "rabbitmq_user",
               "openstack.cloud.identity_user")  # fmt: skip
    described = docker("run", "--rm", image, "ansible-doc", "--json", *modules)
    assert len(json.loads(described.stdout)) == len(modules)
    # what a module of openstack.cloud does first: the newest SDK has no such name
    used = "import openstack; print(openstack.version.__version__)"
    assert docker("run", "--rm", image, "python3", "-c", used).stdout.strip()
