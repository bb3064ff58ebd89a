"""Attesting and writing the indices of a plan, each as soon as its members are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder import index
from builder.plan import BuildAction, IndexStep
from builder.record import ImageRecord, IndexRecord, State
from core.config.model import Architecture
from core.errors import KollarmError
from core.oci.model import ImageIndex, RegistryImage
from core.oci.registry import RegistryClient

if TYPE_CHECKING:
    from builder.attest import Attestor
    from builder.attest.make import EngineWith

#: An image of one architecture.
Place = tuple[str, Architecture]


@dataclass(frozen=True)
class IndexJoiner:
    """Joins images that are in the registry.  Safe to use from several threads at once."""

    client: RegistryClient
    attestor: Attestor | None
    engine_with: EngineWith

    def join(
        self, step: IndexStep, rows: Sequence[ImageRecord], images: Mapping[Place, RegistryImage]
    ) -> IndexRecord:
        """Attest and write an index; what fails is in the record.

        :param rows: what became of its members.
        :param images: those of the whole run, in the registry.
        """
        client = self.client
        reference = f"{client.address}/{step.repository}:{step.tag}"
        failed = [row.architecture for row in rows if row.state is State.FAILED]
        if failed:
            return IndexRecord(
                step.name,
                reference,
                State.LEFT,
                members=step.members,
                error=f"left as it was: the image for {', '.join(failed)} failed",
            )
        if step.action is BuildAction.KEEP:
            return IndexRecord(step.name, reference, State.KEPT, step.digest, step.members)
        members = {member: images[step.name, member] for member in step.members}
        state, warnings = State.KEPT, []
        try:
            current = client.index(step.repository, step.tag)
            composed = index.compose(members, current, step.keep)
            changed = current is None or current.digest != composed.digest
            if changed or step.action is BuildAction.ATTEST:
                warnings = self._attest(step, composed, current, images)
            if changed:
                index.write(client, step.repository, step.tag, composed)
                state = State.WRITTEN
        except KollarmError as error:
            return IndexRecord(
                step.name, reference, State.FAILED, members=step.members, error=error.message
            )
        return IndexRecord(
            step.name, reference, state, composed.digest, step.members, warnings=tuple(warnings)
        )

    def _attest(
        self,
        step: IndexStep,
        composed: index.ComposedIndex,
        current: ImageIndex | None,
        images: Mapping[Place, RegistryImage],
    ) -> list[str]:
        """Attest an index; returns why attestations are missing, a sentence for each.

        An index is right without them, so a registry that doesn't take them is no failure.

        :raises KollarmError: the index has an entry that the key must not sign.
        """
        if self.attestor is None:
            return []
        self.attestor.require_known(step, composed, current)
        try:
            return self.attestor.attest(step, composed, current, images, self.engine_with)
        except KollarmError as error:
            return [
                f"it is not attested: {error.message} (kollarm attest write repeats it; "
                "registry.attest: false does without)"
            ]
