"""Nova's options for two architectures: written, or told where a file is the user's."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

import pytest

from core.config.model import Architecture
from core.kolla_ansible.release_files import ReleaseFiles
from deploy.inventory import HEADER
from deploy.nova_options import option_files, read_custom, wanted_options
from deploy.settings import Settings, resolved_hosts
from tests.support import small_release
from tests.support.hybrid_cloud import CLOUD, settings_in

SCHEDULER = "nova/nova-scheduler.conf"
PORTS = "nova/compute01/nova.conf"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> ReleaseFiles:
    return small_release.write(tmp_path_factory.mktemp("release"))


def mixed(tmp_path: Path, **changes: Any) -> Settings:
    """With compute hosts of both architectures."""
    another = {"architecture": "x86_64", "groups": ["compute"]}
    return settings_in(tmp_path, hosts={**CLOUD["hosts"], "compute02": another}, **changes)


def files(
    settings: Settings, tree: ReleaseFiles, custom: dict[str, str] | None = None
) -> tuple[dict[str, str], list[str]]:
    options = tuple(wanted_options(settings, tree, resolved_hosts(settings)))
    return option_files(settings, options, custom or {})


def test_they_are_files_that_nova_reads(tmp_path: Path, tree: ReleaseFiles) -> None:
    written, notes = files(mixed(tmp_path), tree)
    assert notes == []
    assert set(written) == {f"config/{SCHEDULER}", f"config/{PORTS}"}
    found = configparser.ConfigParser()
    for text in written.values():
        assert text.startswith(HEADER)
        found.read_string(text)
    assert found["scheduler"]["image_metadata_prefilter"] == "true"
    default = found["filter_scheduler"]["image_properties_default_architecture"]
    assert default == Architecture.X86_64
    assert 0 < int(found["libvirt"]["num_pcie_ports"]) <= 28


def test_one_architecture_of_compute_hosts_needs_no_default(
    tmp_path: Path, tree: ReleaseFiles
) -> None:
    written, _ = files(settings_in(tmp_path), tree)
    assert set(written) == {f"config/{SCHEDULER}", f"config/{PORTS}"}
    assert "default_architecture" not in written[f"config/{SCHEDULER}"]


def test_hosts_of_x86_64_alone_may_emulate(tmp_path: Path, tree: ReleaseFiles) -> None:
    arm = CLOUD["hosts"]["compute01"]
    hosts = {**CLOUD["hosts"], "compute01": arm | {"architecture": "x86_64"}}
    assert files(settings_in(tmp_path, hosts=hosts), tree) == ({}, [])


def libvirt(written: dict[str, str]) -> dict[str, str]:
    """The ARM host's section for libvirt."""
    found = configparser.ConfigParser()
    found.read_string(written[f"config/{PORTS}"])
    return dict(found["libvirt"])


def test_an_arm_host_without_kvm_gets_a_processor_that_can_be_emulated(
    tmp_path: Path, tree: ReleaseFiles
) -> None:
    qemu = {"nova_compute_virt_type": "qemu"}
    written, _ = files(settings_in(tmp_path, globals=qemu), tree)
    section = libvirt(written)
    assert (section["cpu_mode"], section["cpu_models"]) == ("custom", "cortex-a57")
    assert "num_pcie_ports" in section
    written, _ = files(settings_in(tmp_path, globals=qemu, release="rocky"), tree)
    assert libvirt(written)["cpu_model"] == "cortex-a57"
    # where they decide it, and with KVM, nothing is said
    own = qemu | {"nova_libvirt_cpu_mode": "none"}
    for settings in (settings_in(tmp_path, globals=own), settings_in(tmp_path)):
        written, _ = files(settings, tree)
        assert set(libvirt(written)) == {"num_pcie_ports"}
    # a model goes with the mode custom alone
    custom = {"nova.conf": "[libvirt]\ncpu_mode = none\n"}
    written, notes = files(settings_in(tmp_path, globals=qemu), tree, custom)
    assert (set(libvirt(written)), notes) == ({"num_pcie_ports"}, [])


def test_files_of_the_users_are_left_alone(tmp_path: Path, tree: ReleaseFiles) -> None:
    own = {SCHEDULER: "[filter_scheduler]\nenabled_filters = X\n"}
    written, notes = files(mixed(tmp_path), tree, own)
    assert set(written) == {f"config/{PORTS}"}
    assert len(notes) == 2 and all(SCHEDULER in note for note in notes)
    # where they set it, wherever that is, nothing is said
    own = {
        "nova.conf": "[filter_scheduler]\nimage_properties_default_architecture=aarch64\n"
        "[scheduler]\nimage_metadata_prefilter=false\n"
    }
    written, notes = files(mixed(tmp_path), tree, own)
    assert (set(written), notes) == ({f"config/{PORTS}"}, [])


def test_a_folder_of_the_users_is_left_alone(tmp_path: Path, tree: ReleaseFiles) -> None:
    folder = tmp_path / "custom"
    (folder / "nova").mkdir(parents=True)
    (folder / "nova.conf").write_text("[libvirt]\nnum_pcie_ports = 24\n")
    settings = mixed(tmp_path, custom_config=str(folder))
    written, notes = files(settings, tree, read_custom(folder))
    assert written == {}
    assert len(notes) == 2 and all(str(folder / SCHEDULER) in note for note in notes)


def test_what_is_not_needed_any_more_goes(tmp_path: Path, tree: ReleaseFiles) -> None:
    """Our own file from an earlier run is not taken for one of the user's."""
    settings = mixed(tmp_path)
    before, _ = files(settings, tree)
    ours = {name.removeprefix("config/"): text for name, text in before.items()}
    assert files(settings, tree, ours) == (before, [])
