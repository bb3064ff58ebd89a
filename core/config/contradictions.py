"""Combinations of keys that are each valid but contradict each other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address

from core.config.base import Architecture
from core.config.model import BaseImage, Config, Guest
from core.yaml_faults import Position

#: A fault before it is printed: its position, the message and the hint.
Finding = tuple[Position, str, str | None]

#: Engines' addresses; the user, host and builder are words of ssh's and docker's command line.
_ENGINE = re.compile(
    r"local|podman://|(unix|tcp)://.+|ssh://([\w][^@/\s]*@)?[\w\[][^@\s]*|buildx://[A-Za-z0-9][\w.-]*"
)


#: Bytes of a guest's name: file names have 255, and ours get suffixes.
LONGEST_NAME = 200

#: Hosts in a range: each gets a file of its own.
MOST_HOSTS = 1000


def contradictions(config: Config) -> Iterator[Finding]:
    """Every impossible combination in a configuration of sound shape."""
    yield from _of_registry(config)
    yield from _of_build(config)
    if config.cloud.embedded and config.cloud.name is not None:
        yield (
            ("cloud",),
            "embedded and name exclude each other",
            "remove name to use the Glance on loopback, or embedded to use your own cloud",
        )
    if config.cloud.embedded and config.cloud.region is not None:
        yield ("cloud", "region"), "the Glance on loopback has no regions", "remove it"
    if config.cloud.method == "web-download" and config.cloud.served_at is None:
        yield (
            ("cloud", "method"),
            "web-download needs to know where the cloud can fetch the images",
            "add served_at, the address of a server that has the folder of prepared images",
        )
    for key in config.deploy.hosts if config.deploy else ():
        for first, last in re.findall(r"\[(\d+):(\d+)\]", key):
            # as floats, since there is no limit to the digits
            if float(last) - float(first) >= MOST_HOSTS:
                message = f"the range has more than {MOST_HOSTS} hosts"
                yield ("deploy", "hosts", key), message, "write smaller ranges"
    if config.deploy and config.deploy.require_signature is True and config.signing_key is None:
        yield (
            ("deploy", "require_signature"),
            "there is no signing_key whose signature could be required",
            "add signing_key, or name the file of a public key here",
        )
    names = [guest.name for guest in config.guests]
    for index, guest in enumerate(config.guests):
        at: Position = ("guests", index)
        if guest.name in names[:index]:
            yield (*at, "name"), f"another guest is named {guest.name!r}", "give each its own name"
        yield from _of_guest(guest, at)


#: What Docker's image names may have before their first slash:
#: https://github.com/distribution/reference/blob/main/reference.go
_HOST = re.compile(
    r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|\[[0-9A-Fa-f:]+\]|[A-Za-z0-9-]+(?=:))(?::[0-9]+)?"
)

#: And a part between two slashes.
PART = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")


def _of_registry(config: Config) -> Iterator[Finding]:
    address, at = config.registry.address, ("registry", "address")
    scheme, mark, rest = address.rpartition("://")
    host, slash, path = rest.partition("/")
    if mark or slash:
        remedy = f"write {host}" if host else "write HOST or HOST:PORT"
        if path.strip("/"):
            remedy += f", and the path in build.namespace: {path.strip('/').lower()}"
        if scheme == "http":
            remedy += "; plain HTTP is allowed with registry.insecure"
        yield at, f"{address!r} is a URL or has a path, not HOST or HOST:PORT", remedy
    elif not _HOST.fullmatch(address):
        remedy = "name it with a dot or a port, as Docker needs it: registry.example.org:5000"
        yield at, f"{address!r} is not HOST or HOST:PORT", remedy
    elif config.registry.embedded and not _on_loopback(address):
        remedy = "it lets everybody in: use 127.0.0.1:PORT; others need a registry of your own"
        yield at, f"the embedded registry can't listen on {address}, only on loopback", remedy
    namespace = config.build.namespace
    if not all(PART.fullmatch(part) for part in namespace.split("/")):
        lower = "/".join(part for part in namespace.lower().split("/") if part)
        remedy = "use lower-case letters, digits and - _ . between them, and / between parts"
        if all(PART.fullmatch(part) for part in lower.split("/")):
            remedy += f": {lower}"
        yield ("build", "namespace"), f"{namespace!r} can't be part of an image's name", remedy


def _on_loopback(address: str) -> bool:
    """Whether this is HOST:PORT on loopback. Docker's older versions take no IPv6 address."""
    host, _, port = address.rpartition(":")
    try:
        return 0 < int(port) < 2**16 and (host == "localhost" or IPv4Address(host).is_loopback)
    except ValueError:
        return False


def _of_build(config: Config) -> Iterator[Finding]:
    if not config.build.engines:
        yield ("build", "engines"), "there is no architecture", "add x86_64, aarch64 or both"
    for key in ("images", "overlays"):
        names = getattr(config.build, key)
        for index, name in enumerate(names):
            if name in names[:index]:
                yield ("build", key, index), f"{name!r} is listed twice", "remove one"
    yield from _of_sources(config)
    for architecture in config.build.profiles:
        if architecture not in config.build.engines:
            remedy = "add it to build.engines, or remove its profiles"
            at: Position = ("build", "profiles", architecture.value)
            yield at, f"no engine builds {architecture}", remedy
    if config.build.services and not config.build.profiles:
        yield ("build", "services"), "has no effect without profiles", "add build.profiles"
    yield from _of_base(config.build.base)
    if config.build.layer_cache and not any(
        engine.url.startswith("buildx://") for engine in config.build.engines.values()
    ):
        message = "has no effect without a buildx builder: an engine has a layer cache of its own"
        yield ("build", "layer_cache"), message, "remove it, or name a builder in build.engines"
    if config.build.layer_cache and config.signing_key is not None:
        message = "its layers aren't signed: who writes to the registry could change what is signed"
        yield ("build", "layer_cache"), message, "remove it, or signing_key"
    for architecture, engine in config.build.engines.items():
        at = ("build", "engines", architecture.value)
        if not _ENGINE.fullmatch(engine.url):
            remedy = "use local, podman://, unix://…, ssh://[USER@]HOST[:PORT], tcp://… or buildx://BUILDER"
            yield (*at, "url"), f"{engine.url!r} is not the address of an engine", remedy
        if engine.tls is not None and not engine.url.startswith("tcp://"):
            remedy = "remove it; for a local engine, set DOCKER_HOST and DOCKER_CERT_PATH"
            yield (*at, "tls"), "only valid together with a tcp:// url", remedy


def _of_base(base: BaseImage) -> Iterator[Finding]:
    name, mark, digest = (base.name or "").partition("@")
    if mark and not re.fullmatch("sha256:[0-9a-f]{64}", digest):
        remedy = "write NAME@sha256: and the 64 digits of its digest"
        yield ("build", "base", "name"), f"{digest!r} is not a digest", remedy
    elif mark and base.tag is not None:
        message = "has no effect beside a digest, which says which image it is"
        yield ("build", "base", "tag"), message, "remove it, or the digest in build.base.name"
    if re.search(r":[^/]*$", name):
        remedy = "leave it out here; the tag goes to build.base.tag"
        message = f"{base.name!r} has a tag, and the base image's tag is added to it"
        yield ("build", "base", "name"), message, remedy
    if base.bootstrap is not None and (base.name is not None or base.tag is not None):
        yield (
            ("build", "base", "bootstrap"),
            "a base image is either bootstrapped or pulled",
            "remove bootstrap, or name and tag",
        )


def _of_sources(config: Config) -> Iterator[Finding]:
    for name, source in config.build.sources.items():
        at: Position = ("build", "sources", name)
        given = [kind for kind in ("path", "url", "git", "pypi") if getattr(source, kind)]
        if source.enabled and len(given) != 1:
            yield at, "needs exactly one of path, url, git and pypi", "or set enabled: false"
        if source.sha256 and not source.url:
            yield (*at, "sha256"), "only valid together with url", "remove it"
        if source.reference and not source.git:
            yield (*at, "reference"), "only valid together with git", "remove it"


def _of_guest(guest: Guest, at: Position) -> Iterator[Finding]:
    if (
        "/" in guest.name
        or guest.name.startswith(".")
        or guest.name.split() != [*filter(None, guest.name.split(" "))]
        or guest.name.strip() != guest.name
        or not guest.name
        or len(guest.name.encode()) > LONGEST_NAME
    ):
        remedy = (
            f"use a name of at most {LONGEST_NAME} bytes, without a slash, a leading dot, "
            "line ends, or blanks at its ends"
        )
        yield (*at, "name"), f"{guest.name!r} can't be a file's name", remedy
    source = guest.source
    named = [place for place in (source.path, source.url, source.image) if place is not None]
    if len(named) != 1:
        yield (
            (*at, "source"),
            "needs exactly one of image, path and url",
            "image: a release of the catalogue (docs/guests.md); path or url: where the file is",
        )
    elif source.image is not None:
        if source.sha256sums is not None:
            message = "the catalogue already has the checksum list of each release"
            yield (*at, "source", "sha256sums"), message, "remove it, or name the image by its url"
    elif source.sha256 is None and source.sha256sums is None:
        remedy = "add sha256, or sha256sums with the list that the distribution publishes"
        yield (*at, "source"), "no checksum is given for this source", remedy
    if source.mirror is not None and source.image is None:
        remedy = "remove it, or name the release with image"
        yield (*at, "source", "mirror"), "only valid together with image", remedy
    if source.sha256 is not None and source.sha256sums is not None:
        yield (*at, "source"), "has both sha256 and sha256sums", "keep one of them"
    paths = [file.path for file in guest.files]
    for number, path in enumerate(paths):
        if path in paths[:number]:
            yield (*at, "files", number, "path"), f"{path} is written twice", "keep one of them"
    if guest.publish.members and guest.visibility != "shared":
        message = "only images of the visibility shared have members"
        yield (*at, "publish", "members"), message, "set visibility: shared, or remove members"
    if guest.architecture is Architecture.X86_64:
        yield from _of_x86(guest, at)
    yield from _of_consoles(guest.consoles, (*at, "consoles"))


def _of_x86(guest: Guest, at: Position) -> Iterator[Finding]:
    """What isn't done for guests of x86_64."""
    if guest.boot != "none":
        message = "kollarm boots images for aarch64 only"
        yield (*at, "boot"), message, "remove it, and use guest prove in the cloud"
    if guest.kernel is not None:
        message = "kollarm replaces kernels of images for aarch64 only"
        yield (*at, "kernel"), message, "remove it, and install the kernel with the image's tools"


def _of_consoles(consoles: Sequence[str], at: Position) -> Iterator[Finding]:
    if not consoles:
        yield at, "is empty", "list at least tty1, which the VNC console shows"
    elif not consoles[-1].startswith("tty") or consoles[-1].startswith(("ttyAMA", "ttyS")):
        yield (
            at,
            f"the last one, {consoles[-1]!r}, becomes /dev/console, but is not the VNC screen",
            "put tty1 last",
        )
