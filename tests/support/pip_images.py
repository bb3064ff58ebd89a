"""Rendered images that ask pip for packages."""

from __future__ import annotations

from pathlib import Path

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


def service_tree(
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
