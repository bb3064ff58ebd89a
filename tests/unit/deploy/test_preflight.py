"""The look for images before a deployment, without a registry."""

from __future__ import annotations

import pytest

from core.config.model import Architecture
from core.oci.registry import RegistryClient
from deploy.preflight import ImagesMissing, RequiredImage, look


class RegistryInMemory(RegistryClient):
    """A registry's content in memory."""

    def __init__(self, content: dict[str, frozenset[str]]):
        super().__init__("127.0.0.1:1")
        self.content = content

    def architectures(self, repository: str, tag: str) -> frozenset[str] | None:
        return self.content.get(f"{repository}:{tag}")


def test_what_the_registry_lacks() -> None:
    registry = RegistryInMemory(
        {"kolla/a:t": frozenset({"amd64"}), "kolla/b:t": frozenset({"amd64", "arm64"})}
    )
    wanted = [
        RequiredImage(f"reg:5000/kolla/{name}:t", name, architecture, ("h",))
        for name in "abc"
        for architecture in Architecture
    ]
    missing = look(wanted, lambda address: registry)
    assert [(m.needed.name, m.needed.architecture.value) for m in missing] == [
        ("a", "aarch64"), ("c", "x86_64"), ("c", "aarch64"),
    ]  # fmt: skip
    assert "has no arm64 (only amd64)" in str(missing[0])
    assert ImagesMissing(missing, 6, ("--config", "x.yml")).hint == (
        "build them: kollarm build a c --arch aarch64 --config x.yml; "
        "kollarm build c --arch x86_64 --config x.yml"
    )


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("reg:5000/kolla/a:t", ("reg:5000", "kolla/a", "t")),
        ("quay.io/x/y/a:t", ("quay.io", "x/y/a", "t")),
        ("localhost/a:t", ("localhost", "a", "t")),
        ("kolla/a", ("docker.io", "kolla/a", "latest")),
    ],
)
def test_parts_of_an_image(image: str, parts: tuple[str, str, str]) -> None:
    needed = RequiredImage(image, "a", Architecture.X86_64, ())
    assert (needed.registry, needed.repository, needed.tag) == parts
