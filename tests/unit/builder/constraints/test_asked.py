"""What Dockerfiles ask pip for."""

from __future__ import annotations

from pathlib import Path

from builder.constraints.asked import requests
from builder.facts import ImageSource
from tests.support.pip_images import LIST, PIP, service_tree


def test_packages_sources_and_removals_are_found(tmp_path: Path) -> None:
    made = service_tree(tmp_path, ImageSource("nova-base", "pypi", "nova==33.0.2"))
    (found,) = requests([(made, list(made.images)), (made, ["nova-base"])])
    assert found.constraints == LIST
    assert set(found.requirements) == {
        "pip", "wheel", "oslo.log", "tooz[etcd,redis]", "oslo-vmware", "nova[vmware]==33.0.2"
    }  # fmt: skip
    assert found.removed == {"ovs"}
    assert found.packages == {"nova"}
    assert found.unread == ()


def test_only_what_is_built_is_asked_for(tmp_path: Path) -> None:
    made = service_tree(tmp_path, ImageSource("nova-base", "pypi", "nova==33.0.2"))
    (found,) = requests([(made, ["nova-base"])])
    assert set(found.requirements) == {"nova[vmware]==33.0.2", "oslo-vmware"}
    assert requests([(made, ["base"])]) == []


def test_local_and_distant_sources(tmp_path: Path) -> None:
    local = tmp_path / "my nova"
    made = service_tree(
        tmp_path,
        ImageSource("nova-base", "local", str(local)),
        ImageSource("nova-base-plugin-a", "git", "https://git.example.org/a"),
        ImageSource("nova-base-plugin-b", "git", "https://git.example.org/b", enabled=False),
        ImageSource("nova-base-plugin-c", "pypi", "c_c==1.0"),
    )
    (found,) = requests([(made, ["nova-base"])])
    assert f"file://{tmp_path}/my%20nova[vmware]" in found.requirements
    assert "c_c==1.0" in found.requirements
    assert found.paths == (local,)
    assert found.packages == {"c-c"}
    assert found.unread == ("nova-base-plugin-a",)


def test_an_option_is_no_package(tmp_path: Path) -> None:
    text = f"FROM parent\nRUN {PIP} --pre -r/etc/passwd six\n"
    made = service_tree(tmp_path, ImageSource("nova-base", "pypi", "nova==1"), text=text)
    (found,) = requests([(made, ["nova-base"])])
    assert found.requirements == ("six",)
