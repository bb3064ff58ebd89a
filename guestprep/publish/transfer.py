"""Getting an image's bytes into Glance: PUT, glance-direct or web-download."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import requests

from core.errors import ConfigError
from core.progress import RunningStep, size
from guestprep.publish.cloud import Glance, GlanceError
from guestprep.publish.model import Method, PublishPlan, RemoteImage

#: Bytes that are read, hashed and sent at once.
CHUNK = 1 << 19
#: Chunks that may wait for the hashing thread: what bounds the memory used.
AHEAD = 6
#: Seconds without any answer during an upload; a store may take long to finish.
SILENCE = 900.0
#: Seconds that Glance may take for an import of its own, without progress to be seen.
IMPORT_DEADLINE = 3600.0

#: Glance's import method that copies an image from one store to others.
COPY = "copy-image"

#: The property that names the stores which an import or copy didn't reach.
FAILED = "os_glance_failed_import"

#: The property by which Glance's import holds an image's record (glance/async_/flows/
#: api_image_import.py), and the seconds after which one that a dead task left is ignored.
LOCK, LOCK_LIMIT = "os_glance_import_task", 30.0


class UploadStream:
    """A file to send: iterated over by requests, hashed on the way in another thread.

    ``digest`` is the SHA512 of what was read, complete when the iteration has ended.
    """

    def __init__(self, path: Path, length: int, step: RunningStep):
        self.path = path
        self.length = length
        self.step = step
        self.digest = ""

    def __len__(self) -> int:
        # requests takes it for the Content-Length; without one it would send in pieces.
        return self.length

    def __iter__(self) -> Iterator[bytes]:
        hashing, started = hashlib.sha512(), time.monotonic()
        waiting: deque[Future[None]] = deque()
        sent = 0
        with self.path.open("rb", buffering=0) as stream, ThreadPoolExecutor(1) as pool:
            while chunk := stream.read(CHUNK):
                waiting.append(pool.submit(hashing.update, chunk))
                if len(waiting) > AHEAD:
                    waiting.popleft().result()
                yield chunk
                sent += len(chunk)
                rate = sent / max(time.monotonic() - started, 0.001)
                self.step.note(f"{100 * sent // self.length} %, {size(rate)}/s")
        self.digest = hashing.hexdigest()


def choose(
    requested: Method, offered: Callable[[], tuple[str, ...]], source_url: str | None
) -> Iterator[Method]:
    """The methods to try, in order.

    :param offered: asks the cloud for its import methods; only done where they matter.
    :raises ConfigError: the one asked for can't be used with this cloud.
    """
    if requested is Method.WEB_DOWNLOAD and not source_url:
        raise ConfigError(
            "web-download needs the address at which Glance can fetch the file",
            hint="name it in cloud.served_at, or use the method put or glance-direct",
        )
    if requested in (Method.AUTO, Method.PUT):
        yield Method.PUT
    if requested is Method.AUTO:
        there = offered()
        possible = [Method.GLANCE_DIRECT, *([Method.WEB_DOWNLOAD] if source_url else [])]
        yield from (method for method in possible if method in there)
    elif requested is not Method.PUT:
        there = offered()
        if requested not in there:
            raise ConfigError(
                f"the cloud doesn't offer the method {requested}",
                hint=f"it offers: {', '.join(['put', *there])}",
            )
        yield requested


def transfer(
    glance: Glance,
    image: RemoteImage,
    plan: PublishPlan,
    method: Method,
    step: RunningStep,
) -> str | None:
    """Send the content and wait until Glance has it; by PUT only its first store does.

    :return: the SHA512 of what was sent; None where Glance fetched it itself.
    :raises GlanceError: refused, cut off, or an import that failed.
    """
    if method is Method.WEB_DOWNLOAD:
        assert plan.source_url is not None
        by = {"name": method.value, "uri": plan.source_url}
        glance.start_import(image.id, by, plan.stores)
        _wait_for_import(glance, image.id, step)
        return None
    source, stores = UploadStream(plan.local.path, plan.local.size, step), plan.stores
    if method is Method.PUT:
        glance.send(f"/images/{image.id}/file", source, SILENCE, stores[0] if stores else None)
    else:
        glance.send(f"/images/{image.id}/stage", source, SILENCE)
        glance.start_import(image.id, {"name": method.value}, stores)
        _wait_for_import(glance, image.id, step)
    return source.digest


def copy_to(
    glance: Glance, image: RemoteImage, stores: Sequence[str], step: RunningStep
) -> RemoteImage:
    """Let Glance copy an image to those of these stores that miss it; return it when they have it.

    :raises GlanceError: it can't.
    """
    missing = [store for store in stores if store not in image.stores]
    if not missing:
        return image
    try:
        glance.start_import(image.id, {"name": COPY}, missing)
    except GlanceError as error:
        if error.status != requests.codes.forbidden:
            raise
        raise GlanceError(
            error.message,
            status=error.status,
            hint="copying between stores takes the role admin, if the cloud's policy doesn't say "
            "otherwise; cloud.method: glance-direct brings a new image into all stores at once",
        ) from error

    def copied(image: RemoteImage) -> bool:
        if image.stores.issuperset(missing):
            return True
        if failed := image.properties.get(FAILED):
            raise GlanceError(
                f"Glance could not copy {image.id} to the store {failed}",
                status=400,
                hint="Glance's log has the reason",
            )
        return False

    return _wait(glance, image.id, copied, f"copies it to {', '.join(missing)}", step)


def _wait_for_import(glance: Glance, image_id: str, step: RunningStep) -> None:
    """Wait for an import. Its request succeeds also when the import doesn't."""

    def imported(image: RemoteImage) -> bool:
        if image.status == "active":
            return True
        failures = glance.import_failures(image_id)
        if image.properties.get(FAILED) or failures or image.status in {"killed", "deleted"}:
            # Glance's words for what it didn't expect, such as a database that is busy. It may
            # pass; a refusal has words of its own.
            passing = failures and all("Internal Error" in failure for failure in failures)
            raise GlanceError(
                f"Glance's import failed: {'; '.join(failures) or image.status}",
                status=500 if passing else 400,
                hint="Glance's log has the reason",
            )
        return False

    _wait(glance, image_id, imported, "imports it", step)


def _wait(
    glance: Glance,
    image_id: str,
    finished: Callable[[RemoteImage], bool],
    doing: str,
    step: RunningStep,
) -> RemoteImage:
    """Wait for something that Glance does by itself, and return the image.

    :param finished: whether it is done, by the image; raises if it failed.
    """
    deadline = time.monotonic() + IMPORT_DEADLINE
    pause = 0.2
    while time.monotonic() < deadline:
        image = glance.get(image_id)
        if finished(image):
            return _await_unlock(glance, image)
        step.note(f"Glance {doing} ({image.status})")
        time.sleep(pause)
        pause = min(pause * 1.5, 5.0)
    raise GlanceError(f"Glance has not finished after {IMPORT_DEADLINE:.0f} s", status=504)


def _await_unlock(glance: Glance, image: RemoteImage) -> RemoteImage:
    """Wait until a finished import releases its image's record.

    It writes the record again, as it read it before: properties set meanwhile would be lost.
    """
    limit = time.monotonic() + LOCK_LIMIT
    while LOCK in image.properties and time.monotonic() < limit:
        time.sleep(0.5)
        image = glance.get(image.id)
    return image
