"""The container engines, and whether they can run the programs of their architectures."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from pathlib import Path

from builder.engines.buildx import SCHEME, BuildxEngine
from builder.engines.docker import DockerEngine
from builder.engines.places import PODMAN
from builder.engines.protocol import EngineError
from core.config.model import Architecture, Config
from core.oci.client import client_for
from core.run import emulator, run, which
from kollarm.doctor.model import DoctorFinding, Fix, failed, good, missing, note

#: The oldest Docker Engine, and Podman, that kollarm's calls are known to work with.
OLDEST = (20, 10)
OLDEST_PODMAN = (4, 3)

BINFMT = Path("/proc/sys/fs/binfmt_misc")


def engines(config: Config) -> Iterator[DoctorFinding]:
    """Check that each engine is reachable, recent enough and able to build its architectures."""
    places: dict[str, list[Architecture]] = {}
    for architecture, engine in config.build.engines.items():
        places.setdefault(engine.url, []).append(architecture)
    for url, architectures in places.items():
        if url.startswith(SCHEME):
            yield _builder(BuildxEngine(url, client_for(config)), architectures)
        else:
            tls = config.build.engines[architectures[0]].tls
            yield from _engine(url, tls, architectures)


def _builder(builder: BuildxEngine, architectures: list[Architecture]) -> DoctorFinding:
    subject = f"builder {builder.name}"
    try:
        for architecture in architectures:
            builder.check(architecture)
        version = builder.info().version
    except EngineError as error:
        return failed(subject, error)
    return good(subject, f"BuildKit {version}: builds {', '.join(architectures)}")


def _engine(
    url: str, tls: Path | None, architectures: list[Architecture]
) -> Iterator[DoctorFinding]:
    subject = f"engine {url}"
    try:
        info = DockerEngine(url, tls=tls).info()
    except EngineError as error:
        yield failed(subject, error, Fix(script="setup-engine") if url == "local" else None)
        return
    name, least = ("Podman", OLDEST_PODMAN) if info.podman else ("Docker Engine", OLDEST)
    version = f"{name} {info.version}, {info.architecture}"
    numbers = tuple(int(number) for number in re.findall(r"\d+", info.version)[:2])
    if numbers < least:
        oldest = ".".join(map(str, least))
        yield missing(
            subject, f"{version} is too old", f"install {oldest} or newer on that machine"
        )
        return
    yield good(subject, f"{version}: builds {', '.join(architectures)}")
    for architecture in architectures:
        if architecture.oci == info.architecture:
            continue
        if url in ("local", PODMAN) and info.architecture == _own_name():
            yield foreign(architecture)
        else:
            yield note(
                f"{architecture} programs",
                f"{url} would emulate them; whether it can is not visible from here",
                "on that machine: install qemu-user-static and binfmt-support, or name an "
                f"engine for {architecture} in build.engines",
            )


def _own_name() -> str:
    machine = platform.machine()
    return Architecture(machine).oci if machine in set(Architecture) else machine


def foreign(architecture: Architecture, folder: Path = BINFMT) -> DoctorFinding:
    """Check that this kernel runs another architecture's programs, also in containers."""
    subject = f"{architecture} programs"
    if not (folder / "status").exists() and _runs(architecture) and not emulator(architecture):
        # A container doesn't see the handlers. What runs here without an interpreter here has
        # one that the kernel keeps open, as other containers need it.
        return good(subject, "run by emulation, with a handler of the machine outside")
    handler = folder / f"qemu-{architecture}"
    fix = Fix(packages=("qemu-user-static", "binfmt-support", "arch-test"), script="setup-foreign")
    remedy = (
        "install qemu-user-static and binfmt-support, then restart systemd-binfmt; "
        "for a container, on the machine that runs it"
    )
    try:
        content = handler.read_text(encoding="utf-8")
    except OSError:
        return missing(subject, f"the kernel has no handler for them ({handler})", remedy, fix)
    if not content.startswith("enabled"):
        return missing(
            subject, f"their handler {handler} is disabled", f"echo 1 | sudo tee {handler}", fix
        )
    interpreter = _field(content, "interpreter")
    if "F" not in _field(content, "flags:"):
        return missing(
            subject,
            f"their handler {handler} does not have the flag F, so containers do not find it",
            remedy,
            fix,
        )
    if which("arch-test") is not None and not _runs(architecture):
        return missing(
            subject,
            f"they do not run, although {interpreter} is registered for them",
            remedy,
            fix,
        )
    return good(subject, f"run by emulation ({interpreter})")


def _runs(architecture: Architecture) -> bool:
    """Whether this machine was seen to run a program of an architecture."""
    if which("arch-test") is None:
        return False
    return run(["arch-test", architecture.debian], check=False, timeout=60).status == 0


def _field(text: str, name: str) -> str:
    match = re.search(rf"^{re.escape(name)}\s*(.*)$", text, re.MULTILINE)
    return match[1] if match else ""
