"""An OpenStack service from source that is built in minutes: Placement, on few packages."""

from __future__ import annotations

import shutil
from pathlib import Path

from core.config.model import Architecture, Config, NativeTools, SourceOf
from tests.support.project import Project

#: Placement's release in 2026.1.
VERSION = "15.0.0"
#: The versions that go with it.
CONSTRAINTS = Path(__file__).parents[2] / "examples" / "small-cloud" / "upper-constraints.txt"

#: Kolla's openstack-base with what is compiled here, and no more: netifaces has no wheel.
TEMPLATE = """\
{% set openstack_base_packages_override = ['gcc', 'libc6-dev', 'python3-dev', 'python3-venv'] %}
{% set openstack_base_pip_packages_override = ['MarkupSafe', 'PyYAML', 'netifaces'] %}
"""


def config(
    project: Project,
    *architectures: Architecture,
    native_tools: NativeTools = NativeTools.AUTO,
    tag: str = "t",
) -> Config:
    """A project's configuration with the sources, and its overlay written."""
    constraints = project.folder / "constraints"
    constraints.mkdir(exist_ok=True)
    shutil.copy(CONSTRAINTS, constraints / "upper-constraints.txt")
    project.template.write_text(TEMPLATE, encoding="utf-8")
    made = project.config(*architectures, tag=tag)
    return made.model_copy(
        update={
            "build": made.build.model_copy(
                update={
                    "native_tools": native_tools,
                    "sources": {
                        "openstack-base": SourceOf(path=constraints),
                        "placement-base": SourceOf(pypi=f"openstack-placement=={VERSION}"),
                        "*-plugin-*": SourceOf(enabled=False),
                    },
                }
            )
        }
    )
