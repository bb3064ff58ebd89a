"""Carrying out a plan: images are built, checked and pushed, then joined in their indices.

Ctrl-C at any moment leaves the registry's indices as they were: an index is
written, in one request, only when all its members are there and right.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from builder import base_image
from builder.built_images import BuiltImages
from builder.context import archive, dockerfile
from builder.engines.protocol import (
    BuildFailed,
    BuildJob,
    Cancellation,
    Cancelled,
    ImageBuilder,
    tried_again,
)
from builder.facts import EngineImage
from builder.join import IndexJoiner, Place
from builder.kolla import sources
from builder.native import tools
from builder.plan import BuildAction, BuildPlan, ImageStep, IndexStep
from builder.record import BuildRecord, ImageRecord, IndexRecord, State
from builder.targets import Target
from core import progress
from core.config.model import Architecture, Distro
from core.errors import KollarmError
from core.oci.model import RegistryImage
from core.oci.registry import CONCURRENCY, RegistryClient
from core.oci.transport import fixed_tag

if TYPE_CHECKING:
    from builder.attest import Attestor

#: The state of an image when its action is done.
DONE = {
    BuildAction.BUILD: State.BUILT,
    BuildAction.PUSH: State.PUSHED,
    BuildAction.KEEP: State.KEPT,
}


@dataclass(frozen=True)
class BuildResources:
    """The connections and settings with which a plan is carried out."""

    client: RegistryClient
    builders: Mapping[Architecture, ImageBuilder]
    logs: Path
    """The folder for a log per image and architecture."""
    build_args: Mapping[str, str] = field(default_factory=dict)
    retries: int = 0
    """How often an image's build is tried again when a step of it fails."""
    jobs: int = 2
    """Images built at the same time on one engine."""
    attestor: Attestor | None = None
    """Attests each index before it is written; None attests nothing."""
    built: BuiltImages | None = None
    """Gets the digest of each image that is pushed."""
    on_interrupt: Callable[[BuildRecord], None] = lambda record: None
    """Called with the record so far when the run is interrupted."""
    native_tools: Distro | None = None
    """Emulated steps get native tools of this distribution; None emulates all."""


class BuildExecution:
    """One execution of a plan."""

    def __init__(
        self, plan: BuildPlan, resources: BuildResources, present: Mapping[Place, RegistryImage]
    ):
        self.plan = plan
        self.resources = resources
        self.started = time.monotonic()
        self.before = time.time()
        self.steps = {(s.target.name, s.target.architecture): s for s in plan.images}
        self.rows: dict[Place, ImageRecord] = {}
        self.remotes: dict[Place, RegistryImage] = {}
        self.indices: dict[str, IndexRecord] = {}
        self._claimed: set[str] = set()
        self._ready: set[Architecture] = set()
        self._native: dict[Architecture, tools.MountedTools] = {}
        self._futures: dict[Place, Future[None]] = {}
        self._pools: dict[ImageBuilder, ThreadPoolExecutor] = {}
        self._running: set[Cancellation] = set()
        self._stopping = threading.Event()
        self._lock = threading.RLock()
        self._joiner = IndexJoiner(resources.client, resources.attestor, self._builder_with)
        for place, step in self.steps.items():
            if step.action is BuildAction.KEEP:
                self._keep(place, present[place])

    def run(self) -> BuildRecord:
        """Carry out the plan; failures are in the record.

        :raises KeyboardInterrupt: after all running builds and pushes have been stopped.
        """
        self.resources.logs.mkdir(parents=True, exist_ok=True)
        for builder in self.resources.builders.values():
            if builder not in self._pools:
                self._pools[builder] = ThreadPoolExecutor(self.resources.jobs, "build")
        try:
            # Roots are made here, in the main thread, one after the other, so that
            # Ctrl-C reaches the programs that make them; meanwhile the pools build
            # the architectures whose root is there.
            for architecture in self._order():
                self._prepare(architecture)
                self._ready.add(architecture)
                self._advance()
            while waiting := [f for f in self._futures.values() if not f.done()]:
                wait(waiting, 0.5, FIRST_EXCEPTION)
            for future in self._futures.values():
                future.result()
        except BaseException:
            self._stop()
            self._end()
            self.resources.on_interrupt(self._record())
            raise
        self._end()
        self._join()
        return self._record()

    def _end(self) -> None:
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)

    def _advance(self) -> None:
        """Start every image whose parent is done; an image whose parent failed fails too."""
        with self._lock:
            for place, step in self.steps.items():
                name, architecture = step.target.parent, place[1]
                if place in self.rows or place in self._futures or architecture not in self._ready:
                    continue
                if name is not None:
                    above = self.rows.get((name, architecture))
                    if above is None:
                        continue
                    if above.state is State.FAILED:
                        self.rows[place] = self._failed(step, f"its parent {name} failed")
                        continue
                if not self._stopping.is_set():
                    pool = self._pools[self.resources.builders[architecture]]
                    self._futures[place] = pool.submit(self._work, place, step)

    def _order(self) -> list[Architecture]:
        """Architectures with something to do, the machine's own first."""
        busy = {
            place[1] for place, step in self.steps.items() if step.action is not BuildAction.KEEP
        }
        return sorted(busy, key=lambda architecture: architecture.value != os.uname().machine)

    def _prepare(self, architecture: Architecture) -> None:
        for root in self.plan.bases:
            if root.architecture is not architecture:
                continue
            try:
                builder = self.resources.builders[architecture]
                base_image.ensure(root, builder, self.resources.client)
                self._native[architecture] = tools.ensure(
                    root, builder, self.resources.native_tools
                )
            except KollarmError as error:
                for place, step in self.steps.items():
                    if place[1] is architecture and place not in self.rows:
                        self.rows[place] = self._failed(step, error.message, error)

    def _work(self, place: Place, step: ImageStep) -> None:
        control = Cancellation()
        with self._lock:
            if self._stopping.is_set():
                return
            self._running.add(control)
        try:
            row = self._image(step, control)
        except Cancelled:
            return
        finally:
            with self._lock:
                self._running.discard(control)
        with self._lock:
            self.rows[place] = row
        self._advance()
        self._join()

    def _image(self, step: ImageStep, control: Cancellation) -> ImageRecord:
        target = step.target
        began, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            with progress.current().step(f"{target.name} ({target.architecture})") as progress_step:
                if step.local is None:
                    note = progress_step.note
                    build = partial(self._build, step, control, note)
                    image = tried_again(build, self.resources.retries, note, control)
                else:
                    image = step.local
                    self.resources.builders[target.architecture].tag(image.id, target.reference)
                progress_step.note("pushing")
                remote = self._push(target, image, control)
                progress_step.note(f"{DONE[step.action]}, {progress.size(remote.size)}")
        except KollarmError as error:
            row = self._failed(step, error.message, error)
        else:
            row = self._done(step, remote)
        return replace(row, started=started, seconds=time.monotonic() - began)

    def _build(
        self, step: ImageStep, control: Cancellation, note: Callable[[str], None]
    ) -> EngineImage:
        target = step.target
        builder = self.resources.builders[target.architecture]
        note("preparing")
        extra_files = {}
        text = target.dockerfile
        with ExitStack() as stack:
            if target.parent is not None:
                above = self.steps[target.parent, target.architecture].target
                parent = builder.ensure_present(
                    above.reference,
                    above.architecture,
                    above.key,
                    digest=self.remotes[target.parent, target.architecture].digest,
                    note=note,
                    control=control,
                )
                text = dockerfile.with_parent(text, parent)
            else:
                start = next(b for b in self.plan.bases if b.architecture is target.architecture)
                if start.bootstrap is None or builder.keeps_images:
                    text = dockerfile.with_parent(text, base_image.start(start, builder))
                else:
                    extra_files[base_image.ROOT] = stack.enter_context(tempfile.TemporaryFile())
                    base_image.root(start, extra_files[base_image.ROOT])
                    text = dockerfile.with_start(text, base_image.FROM_ROOT)
            # At the end and in one step, so that labels that change daily spoil no layer cache.
            text = dockerfile.with_labels(text, target.labels(self.plan.release))
            native = self._native.get(target.architecture, tools.NONE)
            text = native.mounted(text)
            fetch = partial(sources.fetch, before=self.before if step.rebuild else None)
            stream = archive.build_context(target.rendered, text, fetch, extra_files)
            return builder.build(
                BuildJob(
                    stack.enter_context(stream),
                    target.reference,
                    target.architecture,
                    build_args={**self.resources.build_args, **target.build_args},
                    use_cache=not step.rebuild,
                    mounts=native.folders,
                    log=self._log(target),
                    note=note,
                    control=control,
                )
            )

    def _push(self, target: Target, image: EngineImage, control: Cancellation) -> RegistryImage:
        builder = self.resources.builders[target.architecture]
        try:
            digest = builder.publish(image, target.reference, target.architecture, control=control)
        except KollarmError as error:
            error.hint = fixed_tag(error.message) or error.hint
            raise
        remote = self._read_back(target, digest)
        if remote is None or not target.matches(remote):
            raise KollarmError(
                f"{target.reference} was pushed, but the registry has something else",
                hint="is another build pushing to the same tag?",
            )
        if self.resources.built is not None:
            self.resources.built.note(target.reference, digest=remote.digest, engine_id=image.id)
        with self._lock:
            self.remotes[target.name, target.architecture] = remote
        return remote

    def _read_back(self, target: Target, digest: str) -> RegistryImage | None:
        """The image that was just pushed, as the registry has it.

        :param digest: what the engine says that it pushed, an image or an index; empty if it
            doesn't say.
        """
        client, repository = self.resources.client, target.repository
        if digest and (pushed := client.index(repository, digest)) is not None:
            entries = [e for e in pushed.entries if e.architecture == target.architecture.oci]
            digest = entries[0].digest if entries else digest
        return client.image(repository, digest or target.tag)

    def _join(self) -> None:
        """Write every index whose members are all there and that isn't done yet."""
        ready: list[tuple[IndexStep, list[ImageRecord]]] = []
        with self._lock:
            for step in self.plan.indices:
                rows = [self.rows.get((step.name, member)) for member in step.members]
                if step.name in self._claimed or None in rows or self._stopping.is_set():
                    continue
                self._claimed.add(step.name)
                ready.append((step, [row for row in rows if row]))
        if not ready:
            return
        with ThreadPoolExecutor(min(CONCURRENCY, len(ready)), "join") as pool:
            records = list(
                pool.map(lambda one: self._joiner.join(one[0], one[1], self.remotes), ready)
            )
        with self._lock:
            self.indices |= {row.image: row for row in records}

    def _builder_with(
        self, step: ImageStep, remote: RegistryImage
    ) -> tuple[ImageBuilder, str] | None:
        """The builder that can read an image's files, pulled if need be; None if there is none."""
        builder = self.resources.builders.get(step.target.architecture)
        if builder is None:
            return None
        target = step.target
        name = builder.ensure_present(
            target.reference, target.architecture, target.key, digest=remote.digest
        )
        return builder, name

    def _keep(self, place: Place, remote: RegistryImage) -> None:
        target = self.steps[place].target
        self.remotes[place] = remote
        self.rows[place] = ImageRecord(
            target.name,
            target.architecture,
            target.reference,
            State.KEPT,
            remote.digest,
            remote.size,
        )

    def _done(self, step: ImageStep, remote: RegistryImage) -> ImageRecord:
        target = step.target
        return ImageRecord(
            target.name,
            target.architecture,
            target.reference,
            DONE[step.action],
            remote.digest,
            remote.size,
            log=self._log(target) if step.action is BuildAction.BUILD else None,
        )

    def _failed(
        self, step: ImageStep, reason: str, error: KollarmError | None = None
    ) -> ImageRecord:
        target = step.target
        lines = tuple((error.details or "").splitlines()) if error else ()
        if error and error.hint:
            lines += (f"hint: {error.hint}",)
        return ImageRecord(
            target.name,
            target.architecture,
            target.reference,
            State.FAILED,
            log=error.log if isinstance(error, BuildFailed) else None,
            error=reason,
            step=error.step if isinstance(error, BuildFailed) else None,
            lines=lines,
        )

    def _log(self, target: Target) -> Path:
        return self.resources.logs / f"{target.name}-{target.architecture}.log"

    def _stop(self) -> None:
        self._stopping.set()
        with self._lock:
            running = list(self._running)
        for control in running:
            control.stop()

    def _record(self) -> BuildRecord:
        return BuildRecord(
            release=self.plan.release,
            registry=self.plan.registry,
            images=tuple(
                replace(self.rows[place], parent=step.target.parent)
                for place, step in self.steps.items()
                if place in self.rows
            ),
            indices=tuple(
                self.indices[step.name] for step in self.plan.indices if step.name in self.indices
            ),
            seconds=time.monotonic() - self.started,
            left_out=self.plan.left_out,
        )
