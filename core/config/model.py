"""The shape of ``kollarm.yml``: strict, every key documented here.

Relative paths are taken from the folder of the configuration file; the loader
makes them absolute before these models see them being used.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, HttpUrl, StringConstraints

from core.config.base import Architecture as Architecture
from core.config.base import Section as Section
from core.config.deploy import Deploy


class Distro(StrEnum):
    """The base distribution of the container images."""

    DEBIAN = "debian"
    UBUNTU = "ubuntu"
    ROCKY = "rocky"
    CENTOS = "centos"


Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Release = Annotated[str, StringConstraints(pattern=r"^([a-z]+|20\d\d\.[12])$")]
PackageName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.+-]+$")]
Timezone = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$")]
DiskSize = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*[MGT]$")]
Tag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")]


class Registry(Section):
    """Where container images are pushed to."""

    #: Run a registry on loopback, its data under the state folder.
    embedded: bool = False
    #: host:port; for the embedded registry the port to listen on (127.0.0.1:5055).
    address: str = "127.0.0.1:5055"
    #: Speak plain HTTP. Docker itself allows that on loopback only, unless configured.
    insecure: bool = False
    #: Tell of each index how it was made and what is in its images (docs/security.md).
    attest: bool = True


class Bootstrap(Section):
    """Make base images from a distribution's signed archive instead of pulling them."""

    suite: str
    mirror: str = "http://deb.debian.org/debian"


class BaseImage(Section):
    """The image that Kolla's ``base`` starts from; without this section: the release's default."""

    name: str | None = None
    tag: Tag | None = None
    bootstrap: Bootstrap | None = None


class Checkout(Section):
    """Kolla itself from a git repository instead of the release's package."""

    #: URL or path of the repository.
    git: str
    #: A branch, tag or commit.
    ref: str


class SourceOf(Section):
    """Where the program of an image comes from instead of the release's own place.

    Exactly one of path, url, git and pypi; or ``enabled: false``, which leaves a plugin out.
    """

    #: An archive or a folder.
    path: Path | None = None
    #: An archive to fetch, checked when its sha256 is given.
    url: str | None = None
    sha256: Sha256 | None = None
    #: A repository, and its branch, tag or commit.
    git: str | None = None
    reference: str | None = None
    #: ``NAME==VERSION``: the source distribution on PyPI, or on the index pip is configured for.
    pypi: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.]+$")] | None = (
        None
    )
    enabled: bool = True


class Profile(StrEnum):
    """A part that hosts play in a cloud: a group of kolla-ansible's sample inventory."""

    CONTROL = "control"
    NETWORK = "network"
    COMPUTE = "compute"
    STORAGE = "storage"
    MONITORING = "monitoring"


class Engine(Section):
    """The container engine that builds one architecture."""

    #: ``local``, ``ssh://…``, ``tcp://…``, ``unix://…``, or ``buildx://BUILDER`` where the
    #: release builds with BuildKit.
    url: str = "local"
    #: For tcp://: the folder with ca.pem, cert.pem and key.pem, as for DOCKER_CERT_PATH.
    tls: Path | None = None


class Build(Section):
    """Container images."""

    distro: Distro = Distro.DEBIAN
    #: Default: the last Kolla package of the release's series on PyPI.
    kolla: Checkout | None = None
    namespace: str = "kolla"
    #: The tag of the index; default: the release. Members get ``TAG-ARCHITECTURE``.
    tag: Tag | None = None
    #: Names, or regular expressions that match whole names, for every architecture;
    #: default: base, cron and memcached, or none beside profiles.
    images: list[str] = Field(default_factory=list)
    #: What hosts of each architecture do: they get the images that kolla-ansible will pull.
    profiles: dict[Architecture, list[Profile]] = Field(default_factory=dict, strict=False)
    #: kolla-ansible's variables that switch services (``enable_heat``, ``neutron_plugin_agent``),
    #: on top of ``deploy.globals``; they decide which images the profiles need.
    services: dict[str, bool | str] = Field(default_factory=dict)
    overlays: list[str] = Field(default_factory=list)
    #: The folder that holds the overlays; default: the project's own ``dockerfile_overlays``.
    overlay_dir: Path | None = None
    #: Values for the overlays' own variables (``kollarm overlays list`` names them).
    overlay_variables: dict[str, str] = Field(default_factory=dict)
    base: BaseImage = BaseImage()
    #: Kolla's name of a source (``nova-base``, ``nova-base-plugin-blazar``; ``*`` and ``?`` as
    #: in file names; the first that fits counts) → where it comes from.
    sources: dict[str, SourceOf] = Field(default_factory=dict)
    engines: dict[Architecture, Engine] = Field(
        default_factory=lambda: {
            Architecture.X86_64: Engine(),
            Architecture.AARCH64: Engine(),
        },
        strict=False,
    )


class GuestSource(Section):
    """Where a guest image comes from and how it is known to be the right one."""

    #: A file, an http(s) URL, or a release by its name (``ubuntu-24.04``, ``debian-12-generic``;
    #: docs/guests.md has the catalogue), whose list and keyring are known.
    path: Path | None = None
    url: HttpUrl | None = None
    image: str | None = None
    sha256: Sha256 | None = None
    #: A SHA256SUMS (or SHA512SUMS) file (path or URL) with a line for the image's file name.
    sha256sums: str | None = None
    #: Keyring that must have signed that list; without it a list is trusted as it is, except
    #: that one fetched for a release of the catalogue always needs its signature.
    keyring: Path | None = None
    #: Where to fetch a release of the catalogue from instead of the distribution's own server.
    mirror: HttpUrl | None = None


class AptArchive(Section):
    """An apt archive, one-line style: where, which suite and components, signed by whom."""

    uri: str
    suite: str
    components: list[str] = Field(default_factory=lambda: ["main"])
    #: Keyring that must have signed it. Never optional: an unsigned archive is refused.
    keyring: Path


class GuestFile(Section):
    """A file that is copied into a guest image."""

    #: The local file.
    source: Path
    #: Where it goes: an absolute path in the guest.
    path: Annotated[str, StringConstraints(pattern=r"^(/[^/]+)+$")]
    #: Its permissions, in octal and in quotes; it belongs to root.
    mode: Annotated[str, StringConstraints(pattern=r"^0?[0-7]{3}$")] = "0644"


class Clean(Section):
    """What of one machine's identity and state is removed from an image."""

    machine_id: bool = True
    host_keys: bool = True
    cloud_init: bool = True
    apt_lists: bool = True


class Guest(Section):
    """One guest image: prepared, proven, published."""

    name: str
    source: GuestSource
    #: Archives to take packages from; default: the distribution's own.
    archives: list[AptArchive] = Field(default_factory=list)
    consoles: list[str] = Field(default_factory=lambda: ["ttyAMA0,115200", "tty1"])
    clean: Clean = Clean()
    #: Further packages to install, by name; what they depend on comes with them.
    packages: list[PackageName] = Field(default_factory=list)
    #: Install the QEMU guest agent, and publish the image with hw_qemu_guest_agent, so that Nova
    #: gives guests a channel to it.
    guest_agent: bool = False
    files: list[GuestFile] = Field(default_factory=list)
    #: A name of the time zone database, such as ``Europe/Berlin``; default: as the image has it.
    timezone: Timezone | None = None
    #: The size of the disk, such as ``20G``; its last partition and file system grow with it.
    size: DiskSize | None = None
    #: ``offline`` composes on the host what the guest's own programs would make; ``guest`` runs
    #: them in the appliance, which takes far longer when the architectures differ.
    engine: Literal["offline", "guest"] = "offline"
    #: Of the result's clusters; zstd is quicker and smaller, and needs QEMU 5.1 on the hosts.
    compression: Literal["zlib", "zstd", "none"] = "zlib"
    #: Glance properties on top of the arm64 set.
    properties: dict[str, str] = Field(default_factory=dict)
    visibility: Literal["public", "private", "shared", "community"] = "public"
    #: GB of disk that a flavor needs for it; default: the size of the image's disk.
    min_disk: int | None = Field(default=None, ge=0)
    #: MB of memory that a flavor needs for it.
    min_ram: int = Field(default=0, ge=0)
    #: The user to log in as; default: the one that the image's cloud-init makes.
    admin_user: str | None = None
    #: What is booted to prove the console: nothing, the result, or the source as well.
    boot: Literal["none", "result", "both"] = "result"
    #: Seconds that a proving boot may take.
    boot_timeout: int = Field(default=900, gt=0)


class Cloud(Section):
    """The cloud that guest images are published to."""

    #: Run a Glance on loopback, its data under the state folder.
    embedded: bool = False
    #: Port of the embedded Glance.
    port: int = Field(default=9293, gt=0, lt=65536)
    #: A cloud of clouds.yaml; default: ``$OS_CLOUD``, else the one that was deployed from here.
    name: str | None = None
    #: How an image's bytes get there; ``auto``: by PUT, else as the cloud allows.
    method: Literal["auto", "put", "glance-direct", "web-download"] = "auto"
    #: Where an HTTP server has the folder of prepared images, for ``web-download``.
    served_at: HttpUrl | None = None
    #: What becomes of an image when another takes its name.
    replaced: Literal["hide", "rename", "delete"] = "hide"
    #: Compare the guests' properties with what the cloud knows of properties.
    check_properties: bool = True


class Config(Section):
    """The whole file."""

    release: Release = "2026.1"
    #: PEM file of certificate authorities to trust, in builds too; default: the
    #: environment's usual variables (REQUESTS_CA_BUNDLE, SSL_CERT_FILE, CURL_CA_BUNDLE, PIP_CERT).
    ca_bundle: Path | None = None
    #: A private key (of cosign's making, or ECDSA P-256 in PEM) that signs what is told of
    #: images; its password is read from ``$COSIGN_PASSWORD``.
    signing_key: Path | None = None
    #: Logs, records, prepared images and the embedded services' data.
    state_dir: Path = Path(".kollarm")
    registry: Registry = Registry(embedded=True)
    build: Build = Build()
    guests: list[Guest] = Field(default_factory=list)
    cloud: Cloud = Cloud()
    #: The cloud's hosts and what kolla-ansible is told; for ``kollarm deploy``.
    deploy: Deploy | None = None
