"""What is said in several packaging files is the same in each."""

from __future__ import annotations

import re
import tomllib

from core.paths import project_dir
from core.version import __version__
from kollarm.doctor import machine


def text(name: str) -> str:
    return (project_dir() / name).read_text("utf-8")


def listed(field: str) -> set[str]:
    """Packages of a field of the Debian package."""
    found = re.search(rf"^{field}:\n((?: .*\n)+)", text("debian/control"), re.MULTILINE)
    assert found is not None
    return set(re.findall(r"[a-z][a-z0-9.+-]+", re.sub(r"\$\{.*?\}|\(.*?\)", "", found[1])))


def test_the_version_is_the_same() -> None:
    assert text("debian/changelog").startswith(f"kollarm ({__version__}) ")
    assert f"## {__version__} (" in text("NEWS.md")


def test_the_maintainers_are_the_same() -> None:
    [maintainer] = tomllib.loads(text("pyproject.toml"))["project"]["maintainers"]
    name, address = maintainer["name"], "maintainers@kollarm.invalid"
    assert f"\nMaintainer: {name} <{address}>\n" in text("debian/control")
    assert f"\n -- {name} <{address}>  " in text("debian/changelog")
    assert f"\nUpstream-Contact: {name}" in text("debian/copyright")


def test_the_deb_knows_what_the_doctor_misses() -> None:
    tools = (
        machine.GUEST_TOOLS | machine.BOOT_TOOLS | machine.BOOTSTRAP_TOOLS
        | machine.KOLLA_TOOLS | machine.DEPLOY_TOOLS | machine.REGISTRY_TOOLS
    )  # fmt: skip
    essential = {"util-linux"}
    assert set(tools.values()) - essential <= listed("Depends") | listed("Recommends")


def test_the_container_adds_what_the_deb_recommends() -> None:
    added = set(re.findall(r"^    ([a-z][a-z0-9-]+) \\$", text("Containerfile"), re.MULTILINE))
    assert added > {"docker-cli", "qemu-system-arm"}
    assert added <= listed("Recommends")
