"""The check for images before a deployment, without a registry."""

from __future__ import annotations

import pytest

from core.config.model import Architecture
from core.oci.registry import RegistryClient
from deploy.preflight import RequiredImage, build_commands, missing_images


class RegistryInMemory(RegistryClient):
    """A registry's content in memory."""

    def __init__(self, content: dict[str, frozenset[str]]):
        super().__init__("127.0.0.1:1")
        self.content = content

    def architectures(self, repository: str, tag: str) -> frozenset[str] | None:
        return self.content.get(f"{repository}:{tag}")


def test_images_missing_for_an_architecture() -> None:
    registry = RegistryInMemory(
        {"kolla/a:t": frozenset({"amd64"}), "kolla/b:t": frozenset({"amd64", "arm64"})}
    )
    required = [
        RequiredImage(f"reg:5000/kolla/{name}:t", name, architecture, ("h",))
        for name in "abc"
        for architecture in Architecture
    ]
    missing = missing_images(required, lambda address: registry)
    assert [(m.required.name, m.required.architecture.value) for m in missing] == [
        ("a", "aarch64"), ("c", "x86_64"), ("c", "aarch64"),
    ]  # fmt: skip
    assert missing[0].present == frozenset({"amd64"})
    assert missing[1].present is None
    assert build_commands(missing, ("--config", "x.yml")) == (
        "kollarm build a c --arch aarch64 --config x.yml",
        "kollarm build c --arch x86_64 --config x.yml",
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
    required = RequiredImage(image, "a", Architecture.X86_64, ())
    assert (required.registry, required.repository, required.tag) == parts
