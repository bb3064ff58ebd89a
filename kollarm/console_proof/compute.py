"""Nova's part of a proof: make, watch and delete an instance, with openstacksdk.

The calls are those of https://docs.openstack.org/api-ref/compute/.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from keystoneauth1 import exceptions as auth_errors
from openstack import exceptions as sdk_errors

from core import progress
from core.errors import ConfigError, KollarmError
from guestprep.publish import run_marker
from kollarm.console_proof.diagnose import PlacementFacts, from_fault, from_proxy, from_refusal
from kollarm.console_proof.model import Diagnosis, ProofSpec, ProofStage

#: The name of every instance of a proof, and the metadata key of the mark of its run.
NAME, MARK = "kollarm-proof", "kollarm_proof"

#: The least memory (MiB) with which a cloud image boots.
MEMORY = 1024

#: Characters of a console's log that are looked at, from its end.
LOG_TAIL = 64 * 1024

#: Seconds that Nova may take to delete an instance.
DELETE_LIMIT = 180.0

#: Seconds between two looks at an instance.
INTERVAL = 2.0


class InstanceFailed(KollarmError):
    """A stage of the proof failed."""

    def __init__(self, diagnosis: Diagnosis):
        super().__init__(diagnosis.reason, hint=diagnosis.remedy, details=diagnosis.fault or None)
        self.diagnosis = diagnosis


class Compute:
    """The compute service of a cloud.

    :param connection: of :func:`guestprep.publish.connect`.
    """

    def __init__(self, connection: Any):
        self.connection = connection
        self.cloud = str(connection.config.name or "(from OS_…)")
        self._mark = run_marker.mine()

    def image(self, name: str) -> Any:
        """The active image with this name or id.

        :raises ConfigError: there is none, or more than one.
        """
        try:
            with explained():
                image = self.connection.image.find_image(name)
        except sdk_errors.DuplicateResource as error:
            raise ConfigError(
                f"cloud {self.cloud} has several images named {name!r}",
                hint="use the id of one of them",
            ) from error
        if image is None:
            raise ConfigError(
                f"cloud {self.cloud} has no image {name!r}",
                hint="kollarm guest publish registers it; openstack image list shows all images",
            )
        if image.status != "active":
            raise ConfigError(
                f"the image {name!r} in cloud {self.cloud} is {image.status}, not active",
                hint="kollarm guest publish uploads it again",
            )
        return image

    def flavor(self, name: str | None, image: Any) -> Any:
        """The flavor with this name or id, or the smallest that the image fits into.

        :raises ConfigError: there is none.
        """
        compute = self.connection.compute
        if name is not None:
            return self.named_flavor(name)
        memory = max(MEMORY, image.min_ram or 0)
        with explained():
            # Flavors without a disk are for administrators, and so the last choice.
            fitting = sorted(
                (flavor.disk == 0, flavor.ram, flavor.vcpus, flavor.disk, flavor.name, flavor)
                for flavor in compute.flavors()
                if flavor.ram >= memory and (flavor.disk == 0 or flavor.disk >= image.min_disk)
            )
        if not fitting:
            raise ConfigError(
                f"no flavor of cloud {self.cloud} has {memory} MiB of memory and "
                f"{image.min_disk} GiB of disk, which {image.name} needs",
                hint=f"create one (openstack flavor create --vcpus 1 --ram {memory} "
                f"--disk {image.min_disk} NAME), or name a smaller one with --flavor",
            )
        return fitting[0][-1]

    def named_flavor(self, name: str) -> Any:
        """The flavor with this name or id.

        :raises ConfigError: there is none.
        """
        with explained():
            flavor = self.connection.compute.find_flavor(name)
        if flavor is None:
            raise ConfigError(
                f"cloud {self.cloud} has no flavor {name!r}",
                hint="openstack flavor list shows all flavors",
            )
        return flavor

    def create(self, spec: ProofSpec, image: Any, flavor: Any) -> str:
        """Request an instance and return its id.

        :raises InstanceFailed: the cloud refuses.
        """
        network: Any = "none"
        placement = {"host": spec.host} if spec.host else {}
        with explained():
            if spec.network:
                match = self.connection.network.find_network(spec.network)
                if match is None:
                    raise ConfigError(
                        f"cloud {self.cloud} has no network {spec.network!r}",
                        hint="openstack network list shows all networks; --network none needs none",
                    )
                network = [{"uuid": match.id}]
            server = self.connection.compute.create_server(
                name=NAME,
                image_id=image.id,
                flavor_id=flavor.id,
                networks=network,
                metadata={MARK: self._mark},
                # Without a network, cloud-init would wait for its metadata service.
                config_drive=True,
                **placement,
            )
        return str(server.id)

    def server(self, server_id: str, place: PlacementFacts) -> Any:
        """An instance as it is.

        :raises InstanceFailed: it failed.
        """
        with explained():
            server = self.connection.compute.get_server(server_id)
        if server.status == "ERROR":
            fault = server.fault or {}
            text = "\n".join(filter(None, [fault.get("message"), fault.get("details")]))
            raise InstanceFailed(from_fault(text or "(the instance has no fault text)", place))
        return server

    def wait_until_active(
        self, server_id: str, place: PlacementFacts, limit: float, note: Callable[[str], None]
    ) -> Any:
        """Wait for an instance to run.

        :param limit: the time of :func:`time.monotonic` when waiting ends.
        :raises InstanceFailed: it failed, or the time is up.
        """
        while True:
            server = self.server(server_id, place)
            if server.status == "ACTIVE":
                return server
            state = server.task_state or server.vm_state or "waiting"
            note(state)
            if time.monotonic() > limit:
                stage = ProofStage.SCHEDULER if state == "scheduling" else ProofStage.BUILD
                raise InstanceFailed(
                    Diagnosis(
                        stage,
                        f"the instance was still {server.status} ({state}) when the time was up",
                        "use a longer --timeout if the cloud is slow; otherwise openstack compute "
                        "service list shows which service is down",
                    )
                )
            time.sleep(INTERVAL)

    def console_log(self, server_id: str) -> str:
        """The last lines of the serial console; empty if Nova does not give them."""
        try:
            with explained():
                answer = self.connection.compute.get_server_console_output(server_id, length=200)
        except InstanceFailed:
            return ""
        return str(answer.get("output") or "")[-LOG_TAIL:]

    def console_url(self, server_id: str, kind: str = "novnc") -> str:
        """The URL of the instance's noVNC page or serial console, with a fresh token.

        :raises InstanceFailed: Nova gives no URL.
        """
        try:
            with explained():
                console = self.connection.compute.create_console(server_id, console_type=kind)
        except InstanceFailed as error:
            raise InstanceFailed(from_proxy(error.diagnosis.fault)) from error
        return str(console["url"])

    def architectures(self) -> list[str] | None:
        """The architectures of the cloud's compute hosts; None if this user may not see them."""
        try:
            with explained():
                hosts = list(self.connection.compute.hypervisors(details=True))
        except InstanceFailed:
            return None
        names = [(host.cpu_info or {}).get("arch") for host in hosts]
        # If one host does not say, the others prove nothing.
        return [str(name) for name in names] if all(names) else None

    def sweep(self) -> int:
        """Delete the instances of proofs whose process has ended; return how many."""
        swept = 0
        for server in self._ours():
            if run_marker.standing(server.metadata[MARK]) is False:
                progress.current().say(f"deleting {server.id}, which a killed run left behind")
                self.delete(server.id)
                swept += 1
        return swept

    def clean_up(self) -> None:
        """Delete the instance of this run, also if Nova's answer was lost."""
        for server in self._ours():
            if server.metadata[MARK] == self._mark:
                self.delete(server.id)

    def delete(self, server_id: str) -> None:
        """Delete an instance and wait until it is deleted.

        :raises KollarmError: it still exists.
        """
        compute = self.connection.compute
        limit = time.monotonic() + DELETE_LIMIT
        with progress.current().step(f"delete the instance {server_id}"):
            while time.monotonic() < limit:
                try:
                    with explained():
                        compute.delete_server(server_id, ignore_missing=True)
                        if compute.find_server(server_id) is None:
                            return
                except InstanceFailed:
                    pass  # a busy cloud: the loop tries again
                time.sleep(INTERVAL)
        raise KollarmError(
            f"the instance {server_id} of the proof could not be deleted",
            hint=f"openstack server delete --force {server_id}",
        )

    def _ours(self) -> list[Any]:
        with explained():
            return [
                server
                for server in self.connection.compute.servers(details=True, name=f"^{NAME}$")
                if MARK in server.metadata
            ]


@contextmanager
def explained() -> Iterator[None]:
    """Turn the libraries' exceptions into a failed stage."""
    try:
        yield
    except auth_errors.HttpError as error:
        raise InstanceFailed(from_refusal(error.http_status, str(error))) from error
    except sdk_errors.DuplicateResource:
        raise
    except sdk_errors.HttpException as error:
        text = " ".join(filter(None, [error.message, error.details])) or str(error)
        raise InstanceFailed(from_refusal(error.status_code, text)) from error
    except (
        auth_errors.ClientException,
        sdk_errors.SDKException,
        requests.exceptions.RequestException,
    ) as error:
        raise InstanceFailed(from_refusal(None, str(error))) from error
