"""What Dockerfiles ask pip for."""

from __future__ import annotations

from pathlib import Path

from builder.constraints.asked import requests
from builder.facts import ImageSource, RenderedImage, RenderedTree
from core.config.model import Architecture

PIP = "python3 -m pip --no-cache-dir install --upgrade -c /requirements/upper-constraints.txt"

BASE = rf"""
FROM parent
ADD openstack-base-archive /openstack-base-source
RUN ln -s openstack-base-source/* /requirements \
    && sed -e "/^ovs===/d" -i requirements/upper-constraints.txt
RUN {PIP} pip wheel \
    && {PIP} oslo.log tooz[etcd,redis]
"""

SERVICE = rf"""
FROM parent
ADD nova-base-archive /nova-base-source
RUN ln -s nova-base-source/* nova \
    && {PIP} /nova[vmware] oslo-vmware \
    && mkdir -p /etc/nova
RUN if [ "$(ls /plugins)" ]; then \
        {PIP} /plugins/*; \
    fi
RUN python3 -m pip install not-from-the-list
"""

LIST = ImageSource("openstack-base", "local", "/lists")


def tree(
    folder: Path, source: ImageSource, *plugins: ImageSource, text: str = SERVICE
) -> RenderedTree:
    """openstack-base and nova-base below a base that asks for nothing."""
    texts = {"base": "FROM debian\nRUN true\n", "openstack-base": BASE, "nova-base": text}
    for name, one in texts.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "Dockerfile").write_text(one)
    images = [
        RenderedImage("base", folder / "base", None, "base"),
        RenderedImage("openstack-base", folder / "openstack-base", "base", "o", LIST),
        RenderedImage(
            "nova-base", folder / "nova-base", "openstack-base", "n", source, plugins=plugins
        ),
    ]
    return RenderedTree(
        architecture=Architecture.X86_64,
        kolla_version="22.2.0",
        base_image="debian",
        base_tag="trixie",
        images={image.name: image for image in images},
        templates=folder,
        template_names=frozenset(),
    )


def test_packages_sources_and_removals_are_found(tmp_path: Path) -> None:
    made = tree(tmp_path, ImageSource("nova-base", "pypi", "nova==33.0.2"))
    (found,) = requests([(made, list(made.images)), (made, ["nova-base"])])
    assert found.constraints == LIST
    assert set(found.requirements) == {
        "pip", "wheel", "oslo.log", "tooz[etcd,redis]", "oslo-vmware", "nova[vmware]==33.0.2"
    }  # fmt: skip
    assert found.removed == {"ovs"}
    assert found.packages == {"nova"}
    assert found.unread == ()


def test_only_what_is_built_is_asked_for(tmp_path: Path) -> None:
    made = tree(tmp_path, ImageSource("nova-base", "pypi", "nova==33.0.2"))
    (found,) = requests([(made, ["nova-base"])])
    assert set(found.requirements) == {"nova[vmware]==33.0.2", "oslo-vmware"}
    assert requests([(made, ["base"])]) == []


def test_local_and_distant_sources(tmp_path: Path) -> None:
    local = tmp_path / "my nova"
    made = tree(
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
    made = tree(tmp_path, ImageSource("nova-base", "pypi", "nova==1"), text=text)
    (found,) = requests([(made, ["nova-base"])])
    assert found.requirements == ("six",)
