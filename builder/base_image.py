"""The source of Kolla's ``base``: a pulled image, or one made of a bootstrapped root."""

from __future__ import annotations

import fnmatch
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from builder import keys
from builder.context import archive, dockerfile
from builder.engines.protocol import BuildJob, ImageBuilder
from builder.facts import EngineImage, RenderedTree
from core import debian_root, progress
from core.config.model import Architecture, BaseImage, Bootstrap
from core.errors import KollarmError
from core.oci.reference import parse
from core.oci.registry import RegistryClient

#: Kolla's own dpkg configuration in base's context: the files that images leave out.
EXCLUDES = "dpkg_reducing_disk_footprint"

#: Added to a bootstrapped root, as Debian's own container images have them
#: (https://github.com/debuerreotype/debuerreotype, debuerreotype-minimizing-config):
#: descriptions in other languages are two fifths of what `apt-get update` fetches and
#: reads, and an image's layer needs no fsync for each package.
CONFIGURATION = {
    "etc/apt/apt.conf.d/docker-no-languages": 'Acquire::Languages "none";\n',
    "etc/dpkg/dpkg.cfg.d/docker-apt-speedup": "force-unsafe-io\n",
}

#: The instructions in place of a FROM where the root lies in the build context as this file.
ROOT = "root.tar"
FROM_ROOT = f'FROM scratch\nADD {ROOT} /\nCMD ["bash"]'


@dataclass(frozen=True)
class BaseSource:
    """The image or root that one architecture's ``base`` starts from."""

    architecture: Architecture
    reference: str
    """The image's name in the engine."""
    key: str
    """Its identity, part of every image's key."""
    bootstrap: Bootstrap | None = None
    """How it is made; None when it is pulled."""
    packages: tuple[str, ...] = ()
    """The packages in the root."""
    excludes: tuple[str, ...] = ()
    """Dpkg's path-exclude and path-include lines, in order."""
    rebuild: bool = False
    """Make or pull it again even if the engine has it."""

    @property
    def archive(self) -> debian_root.RootArchive | None:
        """What it is bootstrapped from; None when it is pulled."""
        return debian_root.RootArchive(**self.bootstrap.model_dump()) if self.bootstrap else None


def of(tree: RenderedTree, configured: BaseImage) -> BaseSource:
    """The configured source, given the rendered tree.

    A root is bootstrapped with everything that the rendered ``base`` installs:
    the host's own apt and dpkg unpack it, which for a foreign architecture takes
    a fraction of the time that emulated ones do.
    """
    architecture = tree.architecture
    bootstrap = configured.bootstrap
    if bootstrap is None:
        reference = configured.name or tree.base_image
        if "@" not in reference:  # by its digest: a tag would be no part of it
            reference += f":{configured.tag or tree.base_tag}"
        return BaseSource(architecture, reference, keys.base_key({"image": reference}))
    rendered = tree.images["base"]
    packages = tuple(
        dockerfile.packages((rendered.context / "Dockerfile").read_text(encoding="utf-8"))
    )
    rules = rendered.context / EXCLUDES
    excludes = tuple(rules.read_text(encoding="utf-8").split("\n")) if rules.is_file() else ()
    key = keys.base_key(
        {
            "suite": bootstrap.suite,
            "mirror": bootstrap.mirror,
            "architecture": architecture,
            "packages": packages,
            "excludes": excludes,
            "configuration": CONFIGURATION,
        }
        | ({} if bootstrap.check_valid_until else {"check_valid_until": False})
    )
    reference = f"kollarm/root:{bootstrap.suite}-{architecture}-{key[:12]}"
    return BaseSource(architecture, reference, key, bootstrap, packages, excludes)


def ensure(base: BaseSource, builder: ImageBuilder, client: RegistryClient) -> None:
    """See that images can start from it.

    An engine needs it as an image: pulled, or bootstrapped and built.  A buildx
    builder takes the root from elsewhere (:func:`root`), and then this only bootstraps.

    :param client: the configuration's registry.
    :raises KollarmError: it can't be pulled or made.
    """
    if not base.rebuild and _has(builder, start(base, builder), base.architecture):
        return
    if base.bootstrap is None:
        with progress.current().step(f"pull {base.reference} for {base.architecture}"):
            found = _pull(base, builder, client)
            if (name := start(base, builder)) != base.reference:
                builder.tag(found.id, name)
        return
    _tarball(base)
    if not builder.keeps_images:
        return
    title = f"base image {base.bootstrap.suite} for {base.architecture}"
    with (
        progress.current().step(title) as step,
        tempfile.TemporaryFile() as stream,
        tempfile.TemporaryFile() as slim,
    ):
        step.note("leaving out files that Kolla's images don't have")
        root(base, slim)
        # `docker import --platform` of engine 20.10 records the engine's own
        # architecture silently; a build from scratch records the requested one.
        with tarfile.open(fileobj=stream, mode="w") as tar:
            archive.add_bytes(tar, "Dockerfile", (FROM_ROOT + "\n").encode())
            archive.add_stream(tar, ROOT, slim)
        stream.seek(0)
        step.note("importing")
        builder.build(BuildJob(stream, base.reference, base.architecture))


def start(base: BaseSource, builder: ImageBuilder) -> str:
    """The reference to build upon, after :func:`ensure`.

    In an engine a pulled image's own name is that of the architecture pulled last.
    """
    if base.bootstrap is not None or not builder.keeps_images:
        return base.reference
    return f"kollarm/pulled:{base.key[:12]}-{base.architecture}"


def _has(builder: ImageBuilder, name: str, architecture: Architecture) -> EngineImage | None:
    found = builder.image(name)
    return found if found is not None and found.architecture == architecture.oci else None


def _pull(base: BaseSource, builder: ImageBuilder, client: RegistryClient) -> EngineImage:
    """The source in the engine: the architecture's own image, even where the name is an index's.

    Under an index's name, an engine that keeps images in containerd shows the image of its own
    platform, or of the only one that it has at the moment.
    """
    if builder.keeps_images and (member := _member(base, client)):
        return builder.pull(member, base.architecture)
    if not base.rebuild and (found := _has(builder, base.reference, base.architecture)):
        return found
    return builder.pull(base.reference, base.architecture)


def _member(base: BaseSource, client: RegistryClient) -> str | None:
    """The architecture's image in the index that the source names, by its digest."""
    named = parse(base.reference)
    try:
        index = client.at(named.address).index(named.repository, named.which)
    except KollarmError:
        return None  # the engine may have it, or a mirror, or credentials of its own
    for entry in index.entries if index else ():
        if (entry.os, entry.architecture) == ("linux", base.architecture.oci):
            return f"{named.address}/{named.repository}@{entry.digest}"
    return None


def _tarball(base: BaseSource) -> Path:
    source = base.archive
    assert source is not None
    return debian_root.root_tarball(source, base.architecture, base.packages, refresh=base.rebuild)


def root(base: BaseSource, target: IO[bytes]) -> None:
    """Write the tar that :data:`FROM_ROOT` adds; :func:`ensure` has bootstrapped it."""
    reduce(_tarball(replace(base, rebuild=False)), target, kept_by(base.excludes))


def kept_by(rules: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether dpkg would unpack a path under these path-exclude and path-include lines.

    As dpkg(1) has it: the last rule that matches decides, and ``*`` crosses ``/``.
    """
    parsed = [
        (word == "path-include", pattern.strip())
        for rule in rules
        for word, _, pattern in [rule.replace("=", " ", 1).partition(" ")]
        if word in ("path-exclude", "path-include")
    ]

    def kept(path: str) -> bool:
        verdict = True
        for include, pattern in parsed:
            if fnmatch.fnmatchcase(path, pattern):
                verdict = include
        return verdict

    return kept


def reduce(source: Path, target: IO[bytes], kept: Callable[[str], bool]) -> None:
    """Copy a root's tar without the files that Kolla's images don't have, configured for images.

    The root was unpacked before Kolla's dpkg configuration is there; folders
    stay, as dpkg keeps them too.
    """
    with (
        tarfile.open(source) as packed,
        tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for member in packed:
            path = "/" + member.name.removeprefix("./")
            if member.isdir() or kept(path):
                tar.addfile(member, packed.extractfile(member) if member.isreg() else None)
        for name, text in CONFIGURATION.items():
            archive.add_bytes(tar, f"./{name}", text.encode())
    target.seek(0)
