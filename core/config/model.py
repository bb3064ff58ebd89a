"""The shape of ``kollarm.yml``: strict, every key documented here.

Relative paths are taken from the folder of the configuration file
(:mod:`core.config.paths`).
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, HttpUrl, PrivateAttr, StringConstraints

from core.config.base import Architecture as Architecture
from core.config.base import Section as Section
from core.config.deploy import Deploy
from core.config.guests import AptArchive as AptArchive
from core.config.guests import Guest as Guest
from core.config.guests import GuestFile as GuestFile
from core.config.guests import GuestSource as GuestSource
from core.config.guests import Sha256
from core.config.guests import usual_consoles as usual_consoles
from core.config.paths import (
    GitReference,
    GitRepository,
    LocalPath,
    folder_of,
)
from core.config.publishing import ImageSigning, OtherCloud
from core.paths import project_dir


class Distro(StrEnum):
    """The base distribution of the container images."""

    DEBIAN = "debian"
    UBUNTU = "ubuntu"
    ROCKY = "rocky"
    CENTOS = "centos"


Release = Annotated[str, StringConstraints(pattern=r"^([a-z]+|20\d\d\.[12])$")]
ArgName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Suite = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.+-]*$")]
Mirror = Annotated[str, StringConstraints(pattern=r"^[a-z+]+:/\S+$")]
Tag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")]


class Registry(Section):
    """Where container images are pushed to."""

    embedded: bool = False
    """Run a registry on loopback, its data under the state folder."""
    address: str = "127.0.0.1:5055"
    """Host or host:port, without a path. The embedded registry listens on loopback: there, or
    without an address on the first free port from 5055 on, which the project keeps.
    """
    insecure: bool = False
    """Speak plain HTTP, and send credentials over it. On loopback plain HTTP is always spoken, but
    without credentials unless this is true: any user of the machine can listen there. Docker
    itself speaks plain HTTP on loopback only, unless configured.
    """
    attest: bool = True
    """Attach provenance and a bill of materials to each index (docs/security.md)."""


class Bootstrap(Section):
    """Make base images from a distribution's signed archive instead of pulling them."""

    suite: Suite
    """The distribution's release by its codename, such as ``trixie``."""
    mirror: Mirror = "http://deb.debian.org/debian"
    """URL of the archive to take packages from."""
    check_valid_until: bool = True
    """Refuse it past its Valid-Until; ``false`` is for snapshots, which stay as they are."""


class BaseImage(Section):
    """The image that Kolla's ``base`` starts from; without this section: the release's default."""

    name: str | None = None
    """The image's name, with its registry."""
    tag: Tag | None = None
    """The image's tag."""
    bootstrap: Bootstrap | None = None
    """Make the image from the distribution's archive instead of pulling one."""


class Checkout(Section):
    """Kolla itself from a git repository instead of the release's package."""

    git: GitRepository
    """URL or path of the repository."""
    ref: GitReference
    """A branch, tag or commit."""


class SourceOf(Section):
    """Where the program of an image comes from instead of the release's own place.

    Exactly one of path, url, git and pypi; or ``enabled: false``, which leaves a plugin out.
    """

    path: LocalPath | None = None
    """An archive or a folder."""
    url: str | None = None
    """An archive to fetch, checked when its sha256 is given."""
    sha256: Sha256 | None = None
    """SHA-256 of the archive at ``url``."""
    git: GitRepository | None = None
    """A git repository, by URL or path."""
    reference: GitReference | None = None
    """The branch, tag or commit of ``git``; default: its main branch."""
    pypi: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.]+$")]
        | None
    ) = None
    """``NAME==VERSION``: the source distribution on PyPI, or on the index pip is configured for."""
    enabled: bool = True
    """False leaves a plugin out."""


class Profile(StrEnum):
    """A role of hosts in a cloud: a group of kolla-ansible's sample inventory."""

    CONTROL = "control"
    NETWORK = "network"
    COMPUTE = "compute"
    STORAGE = "storage"
    MONITORING = "monitoring"


class Engine(Section):
    """The container engine that builds one architecture."""

    url: str = "local"
    """``local``, ``podman://``, ``ssh://…``, ``tcp://…``, ``unix://…``, or ``buildx://BUILDER``
    where the release builds with BuildKit.
    """
    tls: LocalPath | None = None
    """For tcp://: the folder with ca.pem, cert.pem and key.pem, as for DOCKER_CERT_PATH."""


class NativeTools(StrEnum):
    """Whether emulated build steps get native programs."""

    AUTO = "auto"
    OFF = "off"


class Build(Section):
    """Container images."""

    distro: Distro = Distro.DEBIAN
    """The distribution that the images are based on."""
    kolla: Checkout | None = None
    """Default: the last Kolla package of the release's series on PyPI."""
    namespace: str = "kolla"
    """The first part of the images' names: ``ADDRESS/NAMESPACE/IMAGE:TAG``."""
    tag: Tag | None = None
    """The tag of the index; default: the release. Members get ``TAG-ARCHITECTURE``."""
    images: list[str] = Field(default_factory=list)
    """Names, or regular expressions that match whole names, for every architecture; default: base,
    cron and memcached, or none beside profiles.
    """
    profiles: dict[Architecture, list[Profile]] = Field(default_factory=dict, strict=False)
    """The roles of each architecture's hosts: they need the images that kolla-ansible will pull."""
    services: dict[str, bool | str] = Field(default_factory=dict)
    """Kolla-ansible's variables that switch services (``enable_heat``, ``neutron_plugin_agent``),
    on top of ``deploy.globals``; they decide which images the profiles need.
    """
    overlays: list[str] = Field(default_factory=list)
    """Names of the overlays to apply, in this order (``kollarm overlays list`` shows them)."""
    overlay_dir: LocalPath | None = None
    """The folder that holds the overlays; default: the project's own ``dockerfile_overlays``."""
    overlay_variables: dict[str, str] = Field(default_factory=dict)
    """Values for the overlays' own variables (``kollarm overlays list`` names them)."""
    base: BaseImage = BaseImage()
    """The image that Kolla's ``base`` starts from; default: the release's own."""
    sources: dict[str, SourceOf] = Field(default_factory=dict)
    """Kolla's name of a source (``nova-base``, ``nova-base-plugin-blazar``; ``*`` and ``?`` as in
    file names; the first that fits counts) → where it comes from.
    """
    args: dict[ArgName, str] = Field(default_factory=dict)
    """Values for the ``ARG`` instructions of Dockerfiles, which overlays or templates have. They
    can be read in an image's history: no place for passwords.
    """
    jobs: int | None = Field(default=None, ge=1)
    """Images built at the same time on one engine; default: as many as this machine has
    processors, at least 2.
    """
    retries: int = Field(default=0, ge=0, le=10)
    """How often an image's build is tried again when a step of it fails."""
    layer_cache: bool = False
    """Nodes of buildx builders share the layers of build steps, through the registry's repository
    ``NAMESPACE/layer-cache``.
    """
    engines: dict[Architecture, Engine] = Field(
        default_factory=lambda: {Architecture.X86_64: Engine(), Architecture.AARCH64: Engine()},
        strict=False,
    )
    """The engine that builds each architecture; what has none is not built."""
    native_tools: Annotated[
        NativeTools,
        BeforeValidator(lambda value: "off" if value is False else value),  # YAML's bare word off
    ] = NativeTools.AUTO
    """``auto`` lets this machine's own programs do the work in emulated steps, where the engine can
    mount them there; ``off`` emulates all. The images are the same.
    """


class Cloud(Section):
    """The cloud that guest images are published to."""

    embedded: bool = False
    """Run a Glance on loopback, its data under the state folder."""
    port: int = Field(default=9293, gt=0, lt=65536)
    """Port of the embedded Glance; without one the first free port from 9293 on, which the project
    keeps.
    """
    name: str | None = None
    """A cloud of clouds.yaml; default: ``$OS_CLOUD``, else the one that was deployed from here."""
    region: str | None = None
    """One of the cloud's regions; default: the first."""
    also: list[OtherCloud] = Field(default_factory=list)
    """More clouds, or regions, that get the same images; ``--cloud`` leaves them out."""
    method: Literal["auto", "put", "glance-direct", "web-download"] = "auto"
    """How an image's bytes get there; ``auto``: by PUT, else as the cloud allows."""
    served_at: HttpUrl | None = None
    """Where an HTTP server has the folder of prepared images, for ``web-download``."""
    replaced: Literal["hide", "rename", "delete"] = "hide"
    """What happens to an image when another takes its name: hidden, renamed or deleted."""
    signing: ImageSigning | None = None
    """Sign images so that the cloud's Nova verifies them."""
    check_properties: bool = True
    """Compare the guests' properties with what the cloud knows of properties."""


class Config(Section):
    """The whole file."""

    release: Release = "2026.1"
    """The OpenStack release, in quotes, such as ``"2026.1"``."""
    ca_bundle: LocalPath | None = None
    """PEM file of certificate authorities to trust, in builds too; default: the environment's usual
    variables (REQUESTS_CA_BUNDLE, SSL_CERT_FILE, CURL_CA_BUNDLE, PIP_CERT).
    """
    signing_key: LocalPath | None = None
    """A private key (of cosign's making, or ECDSA P-256 in PEM) that signs attestations of images;
    its password is read from ``$COSIGN_PASSWORD``.
    """
    state_dir: LocalPath = Field(default=".kollarm", validate_default=True)
    """Logs, records, prepared images and the embedded services' data."""
    registry: Registry = Registry(embedded=True)
    """The registry that container images are pushed to."""
    build: Build = Build()
    """The container images to build, and how."""
    guests: list[Guest] = Field(default_factory=list)
    """The guest images to prepare and publish."""
    cloud: Cloud = Cloud()
    """The cloud that guest images are published to."""
    deploy: Deploy | None = None
    """The cloud's hosts and kolla-ansible's settings; for ``kollarm deploy``."""

    _folder: Path = PrivateAttr(default=Path())

    def model_post_init(self, context: Any, /) -> None:
        """Keep the folder of the file, which the loader hands over."""
        self._folder = folder_of(context) or Path()

    @property
    def overlay_dirs(self) -> list[Path]:
        """Where overlays are looked for: the configured folder or the project's, the shipped."""
        name = "dockerfile_overlays"
        return [self.build.overlay_dir or (self._folder / name).absolute(), project_dir() / name]
