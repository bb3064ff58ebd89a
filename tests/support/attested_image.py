"""An image of two architectures whose index is attested in a real registry."""

from __future__ import annotations

from pathlib import Path

from builder import index
from builder.attest import Attestor, SigningKey
from builder.base_image import BaseSource
from builder.built_images import BuiltImages
from builder.engines.docker import DockerEngine
from builder.engines.protocol import BuildJob
from builder.facts import ImageSource, RenderedImage
from builder.plan import BuildAction, BuildPlan, ImageStep, IndexStep
from builder.reasons import BuildReason
from builder.targets import Target
from core.attestation import signing, verification
from core.attestation.finding import AttestationFinding
from core.attestation.newest import NewestIndices
from core.config.model import Architecture
from core.oci.model import RegistryImage
from core.oci.registry import RegistryClient
from tests.support.registries import RunningRegistry, context

X86, ARM = Architecture.X86_64, Architecture.AARCH64

STATUS = """\
Package: bash
Status: install ok installed
Architecture: {0}
Version: 5.2.37-2+b5
Source: bash (5.2.37-2)

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
"""
METADATA = "Metadata-Version: 2.1\nName: Zope.Interface\nVersion: 6.1\n\nName: not-this\n"

DOCKERFILE = """\
FROM scratch
COPY status /var/lib/dpkg/status
COPY os-release /usr/lib/os-release
COPY METADATA /var/lib/kolla/venv/lib/python3.13/site-packages/zope-6.1.dist-info/METADATA
LABEL io.kollarm.key=key-{}
"""


class AttestedImage:
    """An image of two architectures in a registry, and its plan."""

    def __init__(
        self,
        registry: RunningRegistry,
        folder: Path,
        name: str,
        tag: str = "t",
        status: str = STATUS,
    ):
        self.engine, self.client = DockerEngine(), RegistryClient(registry.address)
        self.step = IndexStep(
            name=name,
            repository=f"kolla/{name}",
            tag=tag,
            members=(X86, ARM),
            action=BuildAction.WRITE,
            reason=BuildReason.NOT_IN_REGISTRY,
        )
        self.built, self.newest = BuiltImages(folder / "state"), NewestIndices(folder / "state")
        self.overlay = folder / "overlay"
        self.overlay.mkdir(exist_ok=True)
        (self.overlay / "overlay.yml").write_text("why: a test\n")
        self.members: dict[Architecture, RegistryImage] = {}
        steps = []
        for architecture in (X86, ARM):
            reference = f"{registry.address}/kolla/{name}:{tag}-{architecture}"
            files = {
                "status": status.format(architecture.debian).encode(),
                "os-release": b'NAME="Debian"\nID=debian\nVERSION_ID="13"\n',
                "METADATA": METADATA.encode(),
            }
            stream = context(DOCKERFILE.format(architecture), **files)
            self.engine.build(BuildJob(stream, reference, architecture))
            self.engine.push(reference)
            found = self.client.image(f"kolla/{name}", f"{tag}-{architecture}")
            assert found is not None
            self.members[architecture] = found
            source = ImageSource(name, "url", "http://a.example/x.tar.gz", sha256="ab" * 32)
            rendered = RenderedImage(name, folder, None, name, source=source)
            target = Target(
                name=name,
                architecture=architecture,
                parent=None,
                key="k",
                reference=reference,
                rendered=rendered,
                dockerfile="",
            )
            steps.append(ImageStep(target, BuildAction.PUSH, BuildReason.IN_ENGINE))
        self.plan = BuildPlan(
            release="2026.1",
            kolla_version="22.2.0",
            registry=registry.address,
            overlays=("mine",),
            images=tuple(steps),
            indices=(self.step,),
            bases=(),
        )

    def attest(self, key: signing.Key | None = None) -> None:
        overlays, engines = {"mine": self.overlay}, dict.fromkeys((X86, ARM), self.engine)
        [base] = {step.target.reference for step in self.plan.images[:1]}
        bases = [BaseSource(X86, base, "key of the base")]
        request = {"release": "2026.1"}
        maker = Attestor(
            plan=self.plan,
            client=self.client,
            overlays=overlays,
            bases=bases,
            engines=engines,
            request=request,
            signing=SigningKey(key, self.built, self.newest) if key else None,
        )
        composed = index.compose(self.members)
        remotes = {(self.step.name, one): image for one, image in self.members.items()}
        current = self.client.index(self.step.repository, self.step.tag)
        maker.attest(
            self.step,
            composed,
            current,
            remotes,
            lambda step, member: (self.engine, step.target.reference),
        )
        index.write(self.client, self.step.repository, self.step.tag, composed)

    def verify(self, key: signing.PublicKey | None = None) -> list[AttestationFinding]:
        return verification.verify(
            self.client, self.step.repository, self.step.tag, key, self.newest
        )
