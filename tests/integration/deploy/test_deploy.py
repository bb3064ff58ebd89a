"""kollarm deploy with the real kolla-ansible, engine and registry."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from core.attestation.signing import read_key
from core.config.load import parse
from core.kolla_ansible.releases import find
from core.kolla_ansible.toolchain import toolchain
from core.oci.client import client_for
from core.oci.registry import RegistryClient
from core.run import run
from deploy import AnsibleOptions, DeployRecord, StageFailed, execute, plan
from deploy.preflight import ImagesMissing
from deploy.verified_images import ImagesUnverified
from tests.support import signed_images
from tests.support.commands import kollarm
from tests.support.deploy import CLOUD, OwnRegistry, containers, docker, python_on, systemd_standin

pytestmark = pytest.mark.integration

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("hybrid-*.yml"))


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with systemd_standin(tmp_path_factory.mktemp("bus")) as address:
        yield address


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[OwnRegistry]:
    with OwnRegistry(tmp_path / "registry").running() as own:
        yield own


#: Passwords already prepared, by release: their SSH keys take kolla-genpwd many seconds.
_PASSWORDS: dict[str, bytes] = {}


class Cloud:
    """The configuration of a test's cloud."""

    def __init__(self, release: str, folder: Path, registry: OwnRegistry, bus: str):
        text = CLOUD.format(
            release=release,
            tag="both",
            registry=registry.address,
            folder=folder,
            python=python_on(bus, folder),
            # Rocky's variable names the service's folder, not the folder of all.
            project="/{{{{ project }}}}".format() if release == "rocky" else "",
        )
        self.config = parse(text, folder / "kollarm.yml")
        assert self.config.deploy is not None
        self.deploy = self.config.deploy
        self.registry = registry
        self.folder = folder / "conf"
        self.release = release

    def run(
        self,
        *stages: str,
        tags: tuple[str, ...] = (),
        limit: str | None = None,
        push: bool = True,
    ) -> DeployRecord:
        """Plan and execute, with every image in the registry unless told otherwise."""
        options = AnsibleOptions(tags=tags, limit=limit)
        prepared = plan(self.config, self.deploy, stages, options=options)
        assert prepared.images or not {"pull", "deploy"} & set(stages)
        if push:
            for image in {one.repository for one in prepared.images}:
                self.registry.push(
                    image.removeprefix("kolla/"), ["amd64", "arm64"], tag=prepared.settings.tag
                )
        passwords = self.folder / "passwords.yml"
        if self.release in _PASSWORDS and not passwords.exists():
            self.folder.mkdir(mode=0o700)
            passwords.write_bytes(_PASSWORDS[self.release])
            passwords.chmod(0o600)
            return self.run(*stages, tags=tags, limit=limit, push=False)
        record = execute(prepared, client_at=partial(client_for, self.config), on_line=print)
        _PASSWORDS.setdefault(self.release, passwords.read_bytes())
        return record


@pytest.mark.parametrize(
    ("release", "tags"),
    [
        # What a few roles show, of the newest and of the last release with the shell tool.
        ("2026.1", ("cron", "memcached", "nova", "openvswitch")),
        ("2024.1", ("memcached", "nova")),
        # Everything, so that the image lists are known to be the real ones.
        pytest.param("2026.1", (), marks=pytest.mark.full),
    ],
)
def test_pulls_exactly_the_planned_images(
    release: str, tags: tuple[str, ...], tmp_path: Path, registry: OwnRegistry, bus: str
) -> None:
    cloud = Cloud(release, tmp_path, registry, bus)
    record = cloud.run("config", "pull", tags=tags)
    assert record.exit_status == 0
    planned = {
        f"{one.repository}:{one.tag}"
        for one in plan(
            cloud.config, cloud.deploy, ["pull"], options=AnsibleOptions(tags=tags)
        ).images
    }
    assert registry.pulled() == planned
    assert "kolla/nova-compute:both" in planned
    result = record.stages[-1].recap
    assert result is not None
    assert {host.host for host in result.hosts if host.ok} >= {"ctl1", "arm1"}


def test_nothing_is_pulled_when_an_image_is_missing(
    tmp_path: Path, registry: OwnRegistry, bus: str
) -> None:
    cloud = Cloud("2026.1", tmp_path, registry, bus)
    registry.push("cron", ["amd64", "arm64"], tag="both")
    registry.push("memcached", ["arm64"], tag="both", index=False)
    with pytest.raises(ImagesMissing) as caught:
        cloud.run("config", "pull", tags=("cron", "memcached"), push=False)
    assert "kolla/memcached:both has no amd64" in str(caught.value.details)
    assert "kollarm build memcached --arch x86_64" in str(caught.value.hint)
    assert not registry.pulled()


def test_only_what_is_signed_is_pulled_by_its_digest(
    tmp_path: Path, registry: OwnRegistry, bus: str
) -> None:
    private, public = tmp_path / "key.pem", tmp_path / "public.pem"
    make = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(private)]
    subprocess.run(make, check=True)
    show = ["openssl", "ec", "-in", str(private), "-pubout", "-out", str(public)]
    subprocess.run(show, check=True, capture_output=True)
    key = read_key(private)
    cloud = Cloud("2026.1", tmp_path, registry, bus)
    cloud.deploy = cloud.deploy.model_copy(update={"require_signature": public})
    client = RegistryClient(registry.address)
    images = ("cron", "memcached")
    with pytest.raises(ImagesUnverified, match="2 of 2") as caught:
        cloud.run("pull", tags=images)
    assert caught.value.details is not None and "memcached" in caught.value.details
    assert not registry.pulled()

    digests = {name: signed_images.sign(client, f"kolla/{name}", "both", key) for name in images}
    cloud.run("pull", tags=images, push=False)
    for name, digest in digests.items():
        reference = f"{registry.address}/kolla/{name}"
        shown = subprocess.run(
            ["docker", "image", "inspect", "--format", "{{.RepoDigests}}", f"{reference}:both"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert f"{reference}@{digest}" in shown.stdout
    asked = registry.log.read_text()
    assert all(f"manifests/{digest}" in asked for digest in digests.values())

    # somebody moves the tag: to what isn't signed, then to another image's signed index
    registry.push("cron", ["amd64", "arm64"], tag="both", marker="other")
    with pytest.raises(ImagesUnverified, match="1 of 2"):
        cloud.run("deploy", tags=images, push=False)
    for end in ("", ".sig", ".att"):
        tag = digests["memcached"].replace(":", "-") + end if end else "both"
        signed_images.copy(client, "kolla/memcached", "kolla/cron", tag)
    with pytest.raises(ImagesUnverified) as caught:
        cloud.run("pull", tags=images, push=False)
    assert "another image" in str(caught.value.details)


def test_a_second_deploy_changes_nothing(tmp_path: Path, registry: OwnRegistry, bus: str) -> None:
    """With the shell tool; the newest release deploys what was built, in test_road."""
    cloud = Cloud("2024.1", tmp_path, registry, bus)
    # Its cron belongs to the role common, which needs a real kolla-toolbox.
    with containers("memcached"):
        for attempt in ("first", "second"):
            record = cloud.run("config", "deploy", tags=("memcached",), limit="ctl1")
            assert record.exit_status == 0
            state = docker("inspect", "-f", "{{.State.Status}} {{.Config.Image}}", "memcached")
            assert state == f"running {registry.address}/kolla/memcached:both"
            recap = record.stages[-1].recap
            assert recap is not None
            assert [result.host for result in recap.hosts] == ["ctl1"]
            assert (recap.hosts[0].changed == 0) == (attempt == "second")


def test_prechecks_and_resume(tmp_path: Path, registry: OwnRegistry, bus: str) -> None:
    """A stage that fails keeps its status; the next run goes on with it."""
    cloud = Cloud("2026.1", tmp_path, registry, bus)
    tags = ("memcached",)
    cloud.run("config", "prechecks", tags=tags)
    stages = ("config", "prechecks", "pull")
    prepared = plan(
        cloud.config, cloud.deploy, stages, options=AnsibleOptions(tags=tags), resume=True
    )
    assert [stage.value for stage in prepared.skipped] == ["prechecks"]
    assert [command.argv[1] for command in prepared.commands] == ["pull"]

    # A port that is taken makes the prechecks fail.
    port = int(registry.address.rsplit(":")[-1])
    broken = cloud.deploy.model_copy(
        update={"globals": dict(cloud.deploy.globals) | {"memcached_port": port}}
    )
    prepared = plan(
        cloud.config, broken, ["prechecks"], options=AnsibleOptions(tags=tags), resume=True
    )
    assert not prepared.skipped, "another configuration starts from the beginning"
    with pytest.raises(StageFailed) as caught:
        execute(prepared, client_at=partial(client_for, cloud.config), on_line=print)
    assert caught.value.exit_status == 2
    assert "ctl1: memcached : Checking free port for Memcached" in str(caught.value.details)
    assert str(cloud.folder / "logs/prechecks.log") in str(caught.value.hint)


@pytest.mark.parametrize("release", ["2026.1", "2024.1", "rocky"])
def test_ansible_reads_the_inventory(
    release: str, tmp_path: Path, registry: OwnRegistry, bus: str
) -> None:
    cloud = Cloud(release, tmp_path, registry, bus)
    cloud.run("config")
    tools = toolchain(find(release))
    listed = json.loads(
        subprocess.run(
            [tools.program("ansible-inventory"), "-i", cloud.folder / "inventory", "--list"],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        ).stdout
    )
    variables = listed["_meta"]["hostvars"]
    assert variables["arm1"]["network_interface"] == "lo"
    assert variables["ctl1"]["ansible_connection"] == "local"
    if release == "rocky":
        assert variables["arm1"]["enable_fluentd"] is False
        assert listed["external-compute"]["hosts"] == ["arm1"]
    else:
        assert "enable_fluentd" not in variables["arm1"]
        assert listed["compute"]["hosts"] == ["arm1"]
    assert "enable_fluentd" not in variables["ctl1"]
    assert listed["control"]["hosts"] == ["ctl1"]
    assert set(listed["nova-api"]["children"]) == {"nova"}


@pytest.mark.parametrize("release", ["2026.1", "rocky"])
def test_passwords_are_made_once_and_added_to(
    release: str, tmp_path: Path, registry: OwnRegistry, bus: str
) -> None:
    _PASSWORDS.pop(release, None)
    cloud = Cloud(release, tmp_path, registry, bus)
    cloud.run("config")
    path = cloud.folder / "passwords.yml"
    assert path.stat().st_mode & 0o777 == 0o600
    first = yaml.safe_load(path.read_text())
    assert first["keystone_admin_password"]
    # An older release's file: names are missing, the user chose one value.
    older = {k: v for k, v in first.items() if not k.startswith("nova_")}
    older["keystone_admin_password"] = "chosen"
    path.write_text(yaml.safe_dump(older))
    path.chmod(0o644)
    cloud.run("config")
    merged = yaml.safe_load(path.read_text())
    assert {name: merged[name] for name in older} == older
    assert merged["nova_database_password"]
    assert path.stat().st_mode & 0o777 == 0o600
    prepared = plan(cloud.config, cloud.deploy, ["config"])
    assert prepared.passwords.action == "keep"


def test_post_deploy_finds_the_credentials(tmp_path: Path, registry: OwnRegistry, bus: str) -> None:
    cloud = Cloud("2026.1", tmp_path, registry, bus)
    record = cloud.run("config", "post-deploy")
    assert record.clouds_yaml == cloud.folder / "clouds.yaml"
    assert "kolla-admin" in yaml.safe_load(record.clouds_yaml.read_text())["clouds"]
    assert "openstack console url show --novnc" in str(record.note)


def test_rockys_transport_urls_end_in_a_slash(
    tmp_path: Path, registry: OwnRegistry, bus: str
) -> None:
    """Every line of Rocky's templates, rendered by its own Ansible with our globals.yml."""
    cloud = Cloud("rocky", tmp_path, registry, bus)
    cloud.run("config")
    tools = toolchain(find("rocky"))
    ansible = tools.root / "share/kolla-ansible/ansible"
    lines = [
        line.strip()
        for template in sorted((ansible / "roles").rglob("*.j2"))
        for line in template.read_text(errors="replace").splitlines()
        if line.startswith("transport_url")
    ]
    assert len(lines) == 67
    rendered = tmp_path / "rendered"
    # Beside kolla's own playbooks, so that its group_vars hold.
    beside = tmp_path / "play"
    beside.mkdir()
    for name in ("group_vars", "roles"):
        (beside / name).symlink_to(ansible / name)
    (beside / "lines.j2").write_text("\n".join(lines) + "\n")
    (beside / "play.yml").write_text(
        yaml.safe_dump(
            [
                {
                    "hosts": "ctl1",
                    "gather_facts": False,
                    "tasks": [
                        {
                            "set_fact": {
                                "ansible_lo": {"ipv4": {"address": "127.0.0.1"}},
                            }
                        },
                        {"template": {"src": "lines.j2", "dest": str(rendered)}},
                    ],
                }
            ]
        )
    )
    subprocess.run(
        [tools.program("ansible-playbook"), "-i", cloud.folder / "inventory",
         "-e", f"@{cloud.folder}/globals.yml", "-e", f"@{cloud.folder}/passwords.yml",
         "-e", "item=x", beside / "play.yml"],
        check=True, env={"PATH": f"{tools.root}/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    urls = rendered.read_text().splitlines()
    assert len(urls) == len(lines)
    for url in urls:
        assert url.startswith("transport_url = rabbit://openstack:"), url
        assert url.endswith("@127.0.0.1:5672/"), url


@pytest.mark.parametrize("source", ["path", "mirror"])
def test_openstack_kolla_comes_from_a_copy_or_a_mirror(source: str, tmp_path: Path) -> None:
    """By the command that bootstrap-servers starts with, where the usual place can't be reached."""
    copy = tmp_path / "ansible-collection-kolla"
    role = copy / "roles/baremetal/tasks/main.yml"
    role.parent.mkdir(parents=True)
    role.write_text("[]\n")
    (copy / "README.md").touch()
    (copy / "galaxy.yml").write_text(
        "{namespace: openstack, name: kolla, version: 1.0.0, readme: README.md, authors: [a]}\n"
    )
    text = CLOUD.format(
        release="2026.1",
        tag="both",
        registry="127.0.0.1:5",
        folder=tmp_path,
        python="python3",
        project="",
    ) + (f"  collections: {{{source}: {copy if source == 'path' else copy.as_uri()}}}\n")
    config = parse(text, tmp_path / "kollarm.yml")
    assert config.deploy is not None
    prepared = plan(config, config.deploy, ["bootstrap-servers"])
    install, stage = prepared.commands
    assert stage.argv[:2] == ("kolla-ansible", "bootstrap-servers")
    if source == "mirror":
        branch = install.argv[-1].rpartition(",")[2]
        assert branch == "stable/2026.1"
        git = ["git", "-C", str(copy), "-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run([*git, "init", "-q", "-b", branch], check=True)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "all"], check=True)
    tools = toolchain(find("2026.1"))
    run([tools.program(install.argv[0]), *install.argv[1:]], env=install.env, timeout=120)
    installed = tmp_path / "conf/collections/2026.1/ansible_collections/openstack/kolla"
    assert (installed / "roles/baremetal/tasks/main.yml").is_file()
    # What is installed isn't fetched again.
    assert [
        command.argv[0] for command in plan(config, config.deploy, ["bootstrap-servers"]).commands
    ] == ["kolla-ansible"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_stage_of_the_examples_as_a_dry_run(example: Path, tmp_path: Path) -> None:
    """The commands as the example's own comment has them."""
    shutil.copy(example, tmp_path)
    config = parse(example.read_text(), example)
    done = kollarm("deploy", "--config", example.name, "--dry-run", cwd=tmp_path)
    assert done.status == 0, done.stderr
    for stage in ("bootstrap-servers", "prechecks", "pull", "deploy", "post-deploy"):
        assert f"kolla-ansible {stage} -i" in done.stdout
    assert "+network_interface: enP2p1s0f2" in done.stdout
    assert f"nova-libvirt:{config.build.tag} (arm64): compute01" in done.stdout
    assert ("+enable_fluentd: false" in done.stdout) == (config.release == "rocky")
    later = ("reconfigure", "upgrade", "destroy")
    done = kollarm("deploy", *later, "--config", example.name, "--dry-run", "--json", cwd=tmp_path)
    assert done.status == 0, done.stderr
    assert [command["stage"] for command in done.document["commands"]] == list(later)
    assert [path.name for path in tmp_path.iterdir()] == [example.name], "a plan changes nothing"
