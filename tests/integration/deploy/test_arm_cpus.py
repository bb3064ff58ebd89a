"""The CPUs of ARM hosts, asked by the real Ansible."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.kolla_ansible.releases import find
from core.kolla_ansible.toolchain import toolchain
from deploy.arm_cpus import ask

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("release", ["2026.1", "rocky"])
def test_arm_hosts_tell_their_cpus(release: str, tmp_path: Path) -> None:
    """By Ansible, from a file in the form of the kernel's."""
    register = tmp_path / "midr_el1"
    register.write_text("0x00000000413fd0c1\n")
    python = "ansible_connection=local ansible_python_interpreter=/usr/bin/python3"
    (tmp_path / "hosts").write_text(f"arm1 {python}\narm2 {python}\narm3 {python}/no\n")
    cpus = ask(
        ["arm1", "arm2", "arm3"], tmp_path / "hosts", toolchain(find(release)), str(register)
    )
    assert cpus == {"arm1": 0x413FD0C1, "arm2": 0x413FD0C1}
