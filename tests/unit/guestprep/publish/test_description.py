"""The description of images holds what scs-0102 and OSISM's schema ask for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from core.config.load import parse
from core.config.model import Config
from core.errors import ConfigError
from guestprep.inspect import Identity
from guestprep.publish import PublishSpec, properties
from kollarm.guests.publishing import publish_spec

DATE = r"20\d\d-\d\d-\d\d"

#: What a value has to look like, in the standard's words.
RULES = {
    "architecture": "x86_64|aarch64",
    "hw_disk_bus": "virtio|scsi",
    "hw_scsi_model": "virtio-scsi",
    "hw_firmware_type": "uefi",
    "hw_rng_model": "virtio",
    "hypervisor_type": "qemu",
    "image_build_date": DATE,
    "image_description": ".+",
    "image_original_user": r"\S+",
    "image_source": r"private|https?://\S+",
    "os_distro": "[a-z]+",
    "os_version": r"[0-9.]+",
    "os_purpose": "generic|minimal|k8snode|gpu|network|custom",
    "provided_until": f"{DATE}|none|notice",
    "replace_frequency": "yearly|quarterly|monthly|weekly|daily|critical_bug|never",
    "uuid_validity": rf"{DATE}|none|notice|forever|last-\d+",
}

TOLD = "{replace_frequency: monthly, provided_until: notice}"


def spec_of(tmp_path: Path, publish: str, cloud: str = "{}") -> PublishSpec:
    config: Config = parse(
        f"guests: [{{name: g, source: {{url: 'https://example.org/x.img', sha256: '{'0' * 64}'}}, "
        f"publish: {publish}}}]\ncloud: {cloud}\n",
        tmp_path / "kollarm.yml",
    )
    image = tmp_path / "g.qcow2"
    image.touch()
    system = Identity("aarch64", "EFI/BOOT/BOOTAA64.EFI", "ubuntu", "24.04", "ubuntu")
    return publish_spec(config, config.guests[0], image, system)


def test_every_mandatory_value_is_there(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, f"{{description: {TOLD}}}")
    wanted = properties.wanted(spec)
    wrong = {
        name: wanted.get(name)
        for name, rule in RULES.items()
        if not re.fullmatch(rule, wanted.get(name, ""))
    }
    assert wrong == {}
    assert wanted["image_source"] == "https://example.org/x.img"
    assert spec.min_ram >= 64


def test_without_it_nothing_is_promised(tmp_path: Path) -> None:
    wanted = properties.wanted(spec_of(tmp_path, "{}"))
    assert not {"replace_frequency", "uuid_validity", "image_source"} & set(wanted)


@pytest.mark.parametrize(
    ("more", "cloud", "validity"),
    [
        ("", "{}", "notice"),
        (", retention: {keep: 3}", "{}", "last-3"),
        (", retention: {keep: 0}", "{}", "none"),
        (", retention: {keep: 3, days: 30}", "{}", "notice"),
        (", retention: {keep: 3}", "{replaced: delete}", "none"),
    ],
)
def test_ids_are_valid_as_long_as_images_stay(
    tmp_path: Path, more: str, cloud: str, validity: str
) -> None:
    spec = spec_of(tmp_path, f"{{description: {TOLD}{more}}}", cloud)
    assert spec.properties["uuid_validity"] == validity


@pytest.mark.parametrize(
    "wrong",
    [
        {"replace_frequency": "sometimes"},
        {"provided_until": "soon"},
        {"uuid_validity": "last-x"},
        {"hotfix_hours": -1},
        {"build_date": "yesterday"},
        {"purpose": "fun"},
    ],
)
def test_what_the_standard_does_not_know_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    told = {"replace_frequency": "monthly", "provided_until": "notice"} | wrong
    with pytest.raises(ConfigError):
        spec_of(tmp_path, f"{{description: {told}}}")
