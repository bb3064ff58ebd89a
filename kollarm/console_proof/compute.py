"""Nova's part of a proof: an instance made, watched and deleted, with openstacksdk.

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

#: Every instance of a proof is called so, and has its run's mark under this key.
NAME, MARK = "kollarm-proof", "kollarm_proof"

#: Memory, in MiB, below which a cloud image hardly boots.
MEMORY = 1024

#: Seconds that Nova has to delete an instance.
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
        """The active image of this name or id.

        :raises ConfigError: there is none, or more than one.
        """
        try:
            with _explained():
                image = self.connection.image.find_image(name)
        except sdk_errors.DuplicateResource as error:
            raise ConfigError(
                f"cloud {self.cloud} has several images named {name!r}",
                hint="give the id of the one that is meant",
            ) from error
        if image is None:
            raise ConfigError(
                f"cloud {self.cloud} has no image {name!r}",
                hint="kollarm guest publish puts it there; openstack image list shows what "
                "there is",
            )
        if image.status != "active":
            raise ConfigError(
                f"the image {name!r} in cloud {self.cloud} is {image.status}, not active",
                hint="kollarm guest publish uploads it again",
            )
        return image

    def flavor(self, name: str | None, image: Any) -> Any:
        """The flavor of this name or id, or the smallest that the image fits into.

        :raises ConfigError: there is none.
        """
        compute = self.connection.compute
        if name is not None:
            with _explained():
                flavor = compute.find_flavor(name)
            if flavor is None:
                raise ConfigError(
                    f"cloud {self.cloud} has no flavor {name!r}",
                    hint="openstack flavor list shows what there is",
                )
            return flavor
        memory = max(MEMORY, image.min_ram or 0)
        with _explained():
            # A flavor without a disk is for administrators: the last choice.
            fitting = sorted(
                (flavor.disk == 0, flavor.ram, flavor.vcpus, flavor.disk, flavor.name, flavor)
                for flavor in compute.flavors()
                if flavor.ram >= memory and (flavor.disk == 0 or flavor.disk >= image.min_disk)
            )
        if not fitting:
            raise ConfigError(
                f"no flavor of cloud {self.cloud} has {memory} MiB of memory and "
                f"{image.min_disk} GiB of disk, which {image.name} needs",
                hint="make one, or name a smaller one with --flavor",
            )
        return fitting[0][-1]

    def create(self, wish: ProofSpec, image: Any, flavor: Any) -> str:
        """Ask for an instance and return its id.

        :raises Failed: the cloud refuses.
        """
        network: Any = "none"
        more = {"host": wish.host} if wish.host else {}
        with _explained():
            if wish.network:
                found = self.connection.network.find_network(wish.network)
                if found is None:
                    raise ConfigError(
                        f"cloud {self.cloud} has no network {wish.network!r}",
                        hint="openstack network list shows what there is; none needs no network",
                    )
                network = [{"uuid": found.id}]
            server = self.connection.compute.create_server(
                name=NAME,
                image_id=image.id,
                flavor_id=flavor.id,
                networks=network,
                metadata={MARK: self._mark},
                # Without a network cloud-init would wait for one to ask.
                config_drive=True,
                **more,
            )
        return str(server.id)

    def wait_until_active(
        self, server_id: str, place: PlacementFacts, limit: float, note: Callable[[str], None]
    ) -> Any:
        """Wait for an instance to run.

        :param limit: a time of :func:`time.monotonic` at which it is given up.
        :raises Failed: it went into an error, or the time is up.
        """
        while True:
            with _explained():
                server = self.connection.compute.get_server(server_id)
            if server.status == "ACTIVE":
                return server
            if server.status == "ERROR":
                fault = server.fault or {}
                text = "\n".join(filter(None, [fault.get("message"), fault.get("details")]))
                raise InstanceFailed(from_fault(text or "(the instance has no fault text)", place))
            state = server.task_state or server.vm_state or "waiting"
            note(state)
            if time.monotonic() > limit:
                stage = ProofStage.SCHEDULER if state == "scheduling" else ProofStage.BUILD
                raise InstanceFailed(
                    Diagnosis(
                        stage,
                        f"the instance was still {server.status} ({state}) when the time was up",
                        "a longer --timeout, if the cloud is slow; else openstack compute service "
                        "list shows which service is down",
                    )
                )
            time.sleep(INTERVAL)

    def console_log(self, server_id: str) -> str:
        """The last lines of the serial console; empty where Nova can't tell."""
        try:
            with _explained():
                answer = self.connection.compute.get_server_console_output(server_id, length=200)
        except InstanceFailed:
            return ""
        return str(answer.get("output") or "")

    def console_url(self, server_id: str) -> str:
        """The URL of the instance's noVNC page, with a fresh token.

        :raises Failed: Nova gives none.
        """
        try:
            with _explained():
                console = self.connection.compute.create_console(server_id, console_type="novnc")
        except InstanceFailed as error:
            raise InstanceFailed(from_proxy(error.diagnosis.fault)) from error
        return str(console["url"])

    def architectures(self) -> list[str] | None:
        """What the cloud's compute hosts say they run; None where it may not be asked."""
        try:
            with _explained():
                hosts = list(self.connection.compute.hypervisors(details=True))
        except InstanceFailed:
            return None
        found = [(host.cpu_info or {}).get("arch") for host in hosts]
        # Where one doesn't say, nothing can be concluded from the others.
        return None if not all(found) else [str(one) for one in found]

    def sweep(self) -> int:
        """Delete the instances of proofs whose process is gone; return how many."""
        swept = 0
        for server in self._ours():
            if run_marker.standing(server.metadata[MARK]) is False:
                progress.current().say(
                    f"deleting {server.id}, left behind by a run that was killed"
                )
                self.delete(server.id)
                swept += 1
        return swept

    def clean_up(self) -> None:
        """Delete what this run made, whether its answer had come or not."""
        for server in self._ours():
            if server.metadata[MARK] == self._mark:
                self.delete(server.id)

    def delete(self, server_id: str) -> None:
        """Delete an instance and see that it is gone.

        :raises KollarmError: it isn't.
        """
        compute = self.connection.compute
        limit = time.monotonic() + DELETE_LIMIT
        with progress.current().step(f"delete the instance {server_id}"):
            while time.monotonic() < limit:
                try:
                    with _explained():
                        compute.delete_server(server_id, ignore_missing=True)
                        if compute.find_server(server_id) is None:
                            return
                except InstanceFailed:
                    pass  # a busy cloud: asked again
                time.sleep(INTERVAL)
        raise KollarmError(
            f"the instance {server_id} of the proof is still there",
            hint=f"openstack server delete --force {server_id}",
        )

    def _ours(self) -> list[Any]:
        with _explained():
            return [
                server
                for server in self.connection.compute.servers(details=True, name=f"^{NAME}$")
                if MARK in server.metadata
            ]


@contextmanager
def _explained() -> Iterator[None]:
    """Turn the libraries' exceptions into a stage that failed."""
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
