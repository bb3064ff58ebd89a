"""A buildx builder: BuildKit on one or several nodes, each for the platforms that it lists.

It keeps no images, only layers in its nodes' caches: images go to the registry at
once, without a tag.  The tag follows when the image there has been checked.
https://docs.docker.com/reference/cli/docker/buildx/build/
"""

from __future__ import annotations

import json
import re
import shlex
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from builder.context.archive import add_bytes
from builder.engines import buildkit
from builder.engines.buildkit import unusable
from builder.engines.protocol import (
    BuildJob,
    Cancellation,
    EngineError,
    EngineInfo,
    required,
)
from builder.facts import EngineImage
from core.config.model import Architecture
from core.errors import CommandError
from core.oci.registry import RegistryClient
from core.run import run

#: What such an engine's URL begins with; the builder's name follows.
SCHEME = "buildx://"
#: Seconds that the nodes have to start and answer.
BOOTSTRAP = 180
#: Seconds that a registry has to answer.
ANSWER = 120

_DIGEST = re.compile(r'"containerimage\.digest": "(sha256:[0-9a-f]{64})"')


class BuildxEngine:
    """One architecture's part of a buildx builder.

    :param url: ``buildx://NAME``, as ``docker buildx ls`` shows the name.
    :param client: the registry that it pushes to.
    :param insecure: the registry speaks plain HTTP, and isn't on loopback.
    :param layer_cache: the registry's repository through which nodes share layers; None for none.
    """

    keeps_images = False

    def __init__(
        self,
        url: str,
        client: RegistryClient,
        *,
        insecure: bool = False,
        layer_cache: str | None = None,
    ):
        self.url = url
        self.name = url.removeprefix(SCHEME)
        self._client = client
        self._named = f"the buildx builder of {url}"
        self._insecure = insecure
        self._layer_cache = layer_cache
        self._command = ["docker", "buildx", "build", "--builder", self.name]

    def info(self) -> EngineInfo:
        """BuildKit's version and the platforms (``linux/arm64``) of its nodes.

        :raises EngineError: there is no such builder, or a node doesn't answer.
        """
        try:
            output = run(
                ["docker", "buildx", "inspect", "--bootstrap", self.name], timeout=BOOTSTRAP
            ).stdout
        except CommandError as error:
            raise unusable(self._named, error) from error
        if faults := re.findall(r"^Error:\s+(.*)$", output, re.MULTILINE):
            raise EngineError(
                f"a node of the buildx builder {self.name} can't be used: {faults[0]}",
                hint=f"docker buildx inspect --bootstrap {self.name} shows its nodes",
            )
        versions = re.findall(r"^BuildKit(?: version)?:\s+(\S+)", output, re.MULTILINE)
        platforms = {
            platform.rstrip("*")
            for line in re.findall(r"^Platforms:\s+(.*)$", output, re.MULTILINE)
            for platform in line.split(", ")
        }
        return EngineInfo(", ".join(dict.fromkeys(versions)), ", ".join(sorted(platforms)), "")

    def check(self, architecture: Architecture) -> None:
        """:raises EngineError: no node builds an architecture, or the builder can't be used."""
        platforms = self.info().architecture.split(", ")
        if architecture.platform not in platforms:
            raise EngineError(
                f"no node of the buildx builder {self.name} builds {architecture.platform}, "
                f"only {', '.join(platforms)}",
                hint=f"docker buildx create --append --name {self.name} --platform "
                f"{architecture.platform} … adds one that does",
            )

    def machine(self, architecture: Architecture) -> str:
        # each node knows its own machine, and a builder lists only what they can build
        with (
            tempfile.TemporaryDirectory(prefix="kollarm-buildx-") as scratch,
            tempfile.TemporaryFile() as context,
        ):
            with tarfile.open(fileobj=context, mode="w") as tar:
                lines = b"FROM scratch\nARG BUILDARCH\nCOPY $BUILDARCH /\n"
                add_bytes(tar, "Dockerfile", lines)
                for one in Architecture:
                    add_bytes(tar, one.oci, one.oci.encode())
            context.seek(0)
            packed = Path(scratch) / "machine.tar"
            words = ["--platform", architecture.platform, "--output", f"type=tar,dest={packed}"]
            try:
                buildkit.client([*self._command, *words], context)
            except CommandError as error:
                raise unusable(self._named, error) from error
            return next(iter(_files(packed, lambda name: True)), "")

    def no_mounts(self) -> str | None:
        return None

    def images_by_key(self) -> dict[tuple[str, str], str]:
        return {}  # a builder keeps no images

    def image(self, reference: str) -> EngineImage | None:
        if not reference.startswith(f"{self._client.address}/"):
            return None
        repository, which = split(reference)
        found = self._client.image(repository, which)
        return None if found is None else EngineImage(found.digest, found.architecture, found.key)

    def build(self, job: BuildJob) -> EngineImage:
        # pushed, but not under its tag yet: its digest is its id
        repository, _ = split(job.reference)
        output = f"type=image,name={self._client.address}/{repository},push=true"
        output += ",push-by-digest=true,name-canonical=true"
        output += ",registry.insecure=true" if self._insecure else ""
        with tempfile.TemporaryDirectory(prefix="kollarm-buildx-") as folder:
            metadata = Path(folder) / "metadata.json"
            buildkit.build(
                [
                    *self._command,
                    *self._cache(repository, job.architecture),
                    "--output",
                    output,
                    "--metadata-file",
                    str(metadata),
                ],
                job,
                partial(unusable, self._named),
            )
            found = _DIGEST.search(metadata.read_text(encoding="utf-8"))
        if found is None:
            raise EngineError(f"buildx doesn't report the digest of {job.reference}")
        name = f"{self._client.address}/{repository}@{found[1]}"
        return required(self.image(name), name, job.architecture, "registry")

    def _cache(self, repository: str, architecture: Architecture) -> list[str]:
        """The words that make a build take layers from other nodes, and leave its own to them.

        https://docs.docker.com/build/cache/backends/registry/
        """
        if self._layer_cache is None:
            return []
        name = f"{repository.rpartition('/')[2]}-{architecture}"
        where = f"type=registry,ref={self._client.address}/{self._layer_cache}:{name}"
        where += ",registry.insecure=true" if self._insecure else ""
        # an image that is built is not lost because its layers can't be shared
        return ["--cache-from", where, "--cache-to", f"{where},mode=max,ignore-error=true"]

    def tag(self, image: str, reference: str) -> None:
        repository, tag = split(reference)
        manifest = self._client.manifest(repository, image)
        if manifest is None:
            raise EngineError(f"{image} isn't in {self._client.address}/{repository}")
        self._client.put_manifest(repository, tag, manifest.content, manifest.media_type)

    def ensure_present(
        self,
        reference: str,
        architecture: Architecture,
        key: str,
        *,
        digest: str,
        note: Callable[[str], None] = lambda text: None,
        control: Cancellation | None = None,
    ) -> str:
        # by its digest: BuildKit gives an image the requested platform, whatever its parent's is
        named = f"{self._client.address}/{split(reference)[0]}@{digest}"
        found = self.image(named)
        if found is None or (found.key, found.architecture) != (key, architecture.oci):
            raise EngineError(
                f"{reference} isn't in the registry as it was just pushed",
                hint="is another build pushing to the same tag?",
            )
        return named

    def pull(
        self, reference: str, architecture: Architecture, *, control: Cancellation | None = None
    ) -> EngineImage:
        words = ["docker", "buildx", "imagetools", "inspect", reference, "--format"]
        try:
            document = json.loads(run([*words, "{{json .Image}}"], timeout=ANSWER).stdout)
        except (CommandError, ValueError) as error:
            details = error.details if isinstance(error, CommandError) else None
            raise EngineError(f"{reference} can't be inspected", details=details) from error
        # an index gives one for each platform
        images = [document] if "architecture" in document else list(document.values())
        found = [str(image.get("architecture")) for image in images]
        if architecture.oci not in found:
            raise EngineError(
                f"{reference} is an image for {', '.join(found)}, not {architecture.oci}",
                hint="set another image in build.base",
            )
        return EngineImage("", architecture.oci, None)

    def publish(
        self,
        image: EngineImage,
        reference: str,
        architecture: Architecture,
        *,
        control: Cancellation | None = None,
    ) -> str:
        repository, _ = split(reference)
        named = f"{self._client.address}/{repository}@{image.id}"
        required(self.image(named), named, architecture, "registry")
        self.tag(image.id, reference)
        return image.id

    def read_files(
        self, image: str, paths: Iterable[str], wanted: Callable[[str], bool]
    ) -> dict[str, bytes]:
        copies = [f"COPY --from=image {pattern(path)} /{path}" for path in paths]
        return self._exported(image, ["FROM scratch", *copies], wanted)

    def run_program(self, image: str, argv: Sequence[str]) -> bytes | None:
        # the image needs a shell
        lines = [
            "USER root",
            f"RUN --network=none if command -v {shlex.quote(argv[0])} > /dev/null; "
            f"then {shlex.join(argv)} > /.output; else : > /.none; fi",
            "FROM scratch",
            "COPY --from=image /.outpu[t] /.non[e] /",
        ]
        return self._exported(image, lines, lambda path: path == ".output").get(".output")

    def _exported(
        self, image: str, lines: Sequence[str], wanted: Callable[[str], bool]
    ) -> dict[str, bytes]:
        """Files of the result of a Dockerfile's lines, which continue an image named ``image``.

        An image of another registry, such as a pulled base, is the one for the node's own platform.
        """
        named, platform = image, []
        if image.startswith(f"{self._client.address}/"):
            found = self.image(image)
            if found is None:
                raise EngineError(f"{image} isn't in the registry")
            named = f"{self._client.address}/{split(image)[0]}@{found.id}"
            platform = ["--platform", f"linux/{found.architecture}"]
        with tempfile.TemporaryDirectory(prefix="kollarm-buildx-") as scratch:
            archive, text = Path(scratch) / "files.tar", Path(scratch) / "Dockerfile"
            text.write_text("\n".join([f"FROM {named} AS image", *lines]) + "\n", encoding="utf-8")
            words = [*platform, "--output", f"type=tar,dest={archive}"]
            try:
                with text.open("rb") as stream:
                    buildkit.client([*self._command, *words], stream)
                return _files(archive, wanted)
            except (CommandError, tarfile.TarError) as error:
                details = error.details if isinstance(error, CommandError) else None
                raise EngineError(f"{image} can't be read: {error}", details=details) from error


def pattern(path: str) -> str:
    """A pattern that matches one path or none; a plain name in a COPY has to exist."""
    return "".join(f"/{part[:-1]}[{part[-1]}]" for part in path.split("/"))


def split(reference: str) -> tuple[str, str]:
    """The repository of a reference, without the registry, and its tag or digest."""
    path = reference.split("/", 1)[1]
    name, mark, digest = path.partition("@")
    if mark:
        return name, digest
    name, _, tag = path.rpartition(":")
    return name, tag


def _files(archive: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    found = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if member.isreg() and wanted(name):
                stream = tar.extractfile(member)
                found[name] = stream.read() if stream else b""
    return found
