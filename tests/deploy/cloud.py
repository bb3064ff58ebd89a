"""The clouds that are deployed in tests: examples/small-cloud.yml on two hosts of the test bed.

Everything is kept in .kollarm/test-deploy and .kollarm/test-deploy-arm, so that a run that was
ended can be repeated from any test on.  Two variables of the environment spare what a machine may
not have:

    KOLLARM_TEST_REGISTRY    the address of a registry that has the example's images already, where
                             the hosts reach it (plain HTTP); without it they are built
    KOLLARM_TEST_COLLECTION  the path of a copy of openstack.kolla, where the release's own place
                             can't be reached
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from core import files
from core.oci.manifest import digest_of
from core.oci.reference import parse
from core.oci.registry import RegistryClient
from core.paths import project_dir
from guestprep.publish import connect
from testbed.hosts.bed import TestBed, TestHost, deploy_example
from tests.support.commands import Outcome, run_within
from tests.support.servers import listening

REGISTRY_PORT = 5078
#: Seconds for one command; an emulated host takes its time.
LIMIT = 4 * 3600.0


class DeployedCloud:
    """Two hosts, their configuration, and kollarm's commands for it.

    :param folder: of everything that belongs to it.
    :param control: the name of the host that isn't a compute host.
    :param guests: the configuration's.
    """

    def __init__(
        self,
        folder: Path,
        bed: TestBed,
        hosts: list[TestHost],
        control: str,
        registry: str,
        guests: list[dict[str, Any]],
    ):
        self.folder = folder
        self.bed = bed
        self.config = folder / "kollarm.yml"
        self.registry = registry
        settings = yaml.safe_load((project_dir() / "examples/small-cloud.yml").read_text())
        settings |= {
            "state_dir": str(folder / "state"),
            "registry": {"address": registry, "insecure": True},
            "guests": guests,
        }
        build = settings["build"]
        for source in ("openstack-base", "kolla-toolbox"):
            build["sources"][source]["path"] = str(project_dir() / "examples/small-cloud")
        architectures = sorted({host.architecture.value for host in hosts})
        build["engines"] = {name: {"url": "local"} for name in architectures}
        build["profiles"] = {name: build["profiles"][name] for name in architectures}
        example: dict[str, Any] = deploy_example(bed, hosts)
        for name, host in example["hosts"].items():
            host["groups"] = ["control", "network"] if name == control else ["compute"]
        shared = settings["deploy"]["globals"] | example["globals"]
        settings["deploy"] |= example | {
            "globals": shared
            | {
                "nova_compute_virt_type": "qemu",
                "enable_horizon": False,
                # RabbitMQ's own takes six starts of Erlang, more than 30 s on a slow machine
                "default_container_healthcheck_timeout": "120",
            }
        }
        if copy := os.environ.get("KOLLARM_TEST_COLLECTION"):
            settings["deploy"]["collections"] = {"path": copy}
        self.settings: dict[str, Any] = settings
        options = files.private_folder(folder / "state") / "deploy/config"
        options.mkdir(parents=True, exist_ok=True)
        # a service of Nova 33 takes 160 s to end, and kolla-ansible kills it after 60 s
        (options / "nova.conf").write_text("[DEFAULT]\nmanager_shutdown_timeout = 1\n")
        self.write()

    def write(self, **globals_: object) -> None:
        """Write the configuration, with these globals besides the usual ones."""
        deploy = self.settings["deploy"]
        changed = deploy | {"globals": deploy["globals"] | globals_}
        self.config.write_text(yaml.safe_dump(self.settings | {"deploy": changed}))

    def run(self, *words: str, **environ: str) -> Outcome:
        """A command of kollarm's; keys of new hosts are unknown yet, and their sudo may be slow."""
        environ = {"ANSIBLE_HOST_KEY_CHECKING": "False", "ANSIBLE_TIMEOUT": "120"} | environ
        return run_within(LIMIT, (*words, "--config", self.config), self.folder, environ)

    def build(self) -> None:
        """Build the images, unless they were given.

        The registry is the same on loopback, where an engine pushes without TLS.
        """
        if not self.registry.startswith(self.bed.gateway):
            return
        loopback = {"address": f"127.0.0.1:{REGISTRY_PORT}", "insecure": True}
        self.config.write_text(yaml.safe_dump(self.settings | {"registry": loopback}))
        done = self.run("build")
        self.write()
        assert done.status == 0, done.stderr

    def on(self, host: str, *words: str) -> str:
        """What a program prints on a host."""
        done = subprocess.run(
            ["docker", "exec", host, *words], capture_output=True, text=True, check=True
        )
        return done.stdout

    def ensure_flavor(self) -> None:
        """The one flavor of the cloud: a new one has none."""
        if self.nova.find_flavor("small") is None:
            self.nova.create_flavor(name="small", vcpus=1, ram=1024, disk=3)

    def registered(self) -> dict[str, str]:
        """The compute hosts that Nova knows, each with its architecture."""
        # the last version of the interface that tells of the processor
        answer = self.nova.get("/os-hypervisors/detail", microversion="2.87").json()
        return {
            host["hypervisor_hostname"]: host["cpu_info"]["arch"] for host in answer["hypervisors"]
        }

    @cached_property
    def nova(self) -> Any:
        """The deployed cloud's Nova, by its administrator."""
        file = self.folder / "state/deploy/clouds.yaml"
        return connect("kolla-admin", clouds_yaml=file).compute

    def images(self) -> list[str]:
        """The references that the hosts pull."""
        planned = self.run("deploy", "pull", "--dry-run", "--json")
        assert planned.status == 0, planned.stderr
        return sorted({image["image"] for image in planned.document["images"]})

    def release_again(self, tag: str, changed: str) -> None:
        """Give all images one more tag, of which only one is another image than before."""
        client = RegistryClient(self.registry, insecure=True)
        for image in self.images():
            found = parse(image)
            manifest = client.manifest(found.repository, found.which)
            assert manifest is not None
            if found.repository.endswith(f"/{changed}"):
                (member,) = manifest.descriptors("manifests")
                manifest = client.manifest(found.repository, member["digest"])
                assert manifest is not None
                document = manifest.document
                config = json.loads(client.blob(found.repository, document["config"]["digest"]))
                config["config"]["Labels"]["built"] = "again"
                content = json.dumps(config).encode()
                client.put_blob(found.repository, content)
                document["config"] |= {"digest": digest_of(content), "size": len(content)}
                client.put_manifest(
                    found.repository, tag, json.dumps(document).encode(), manifest.media_type
                )
            else:
                client.put_manifest(found.repository, tag, manifest.content, manifest.media_type)

    def starts(self, host: str) -> str:
        """Which containers there are on a host, and since when each of them runs."""
        asked = "docker inspect -f '{{.Name}} {{.Id}} {{.State.StartedAt}}' $(docker ps -aq) | sort"
        return self.on(host, "sh", "-c", asked)

    def containers(self, host: str) -> dict[str, str]:
        """The containers on a host, each with its state."""
        listed = self.on(host, "docker", "ps", "-a", "--format", "{{.Names}} {{.State}}")
        return dict(line.split(" ", 1) for line in listed.splitlines())


@contextmanager
def deployed_cloud(
    folder: Path, control: str, compute: str, guests: list[dict[str, Any]], *, arm: bool = False
) -> Iterator[DeployedCloud]:
    """A control and a compute host and a registry; all stay, so that the next run goes on.

    :param arm: the compute host is an ARM machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    bed = TestBed(folder / "hosts")
    hosts = bed.up([control], arm=[compute]) if arm else bed.up([control, compute])
    given = os.environ.get("KOLLARM_TEST_REGISTRY")
    if given:
        yield DeployedCloud(folder, bed, hosts, control, given, guests)
        return
    settings = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
        "http": {"addr": f"0.0.0.0:{REGISTRY_PORT}"},
    }
    (folder / "registry.yml").write_text(yaml.safe_dump(settings))
    with (folder / "registry.log").open("wb") as log:
        served = subprocess.Popen(
            ["docker-registry", "serve", folder / "registry.yml"], stdout=log, stderr=log
        )
    try:
        listening(served, REGISTRY_PORT, folder / "registry.log")
        address = f"{bed.gateway}:{REGISTRY_PORT}"
        yield DeployedCloud(folder, bed, hosts, control, address, guests)
    finally:
        served.terminate()
        served.wait()
