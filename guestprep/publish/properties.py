"""The Glance properties that a guest needs, each with its reason.

Current Nova has good defaults on aarch64, older releases don't; and in a cloud of
two architectures, an image without ``architecture`` may be scheduled to either.
The names are those of Glance's metadata definitions and
https://docs.openstack.org/glance/latest/admin/useful-image-properties.html.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from core.config.base import Architecture
from guestprep.publish.model import (
    MANAGED,
    OWNER_MARK,
    PROTECTED,
    AttributeValue,
    LocalImage,
    PublishSpec,
)

#: name: (value, why)
ARM64: Mapping[str, tuple[str, str]] = {
    "hw_firmware_type": ("uefi", "an arm64 machine has no BIOS"),
    "hw_machine_type": ("virt", "QEMU's arm64 machine with PCI"),
    "hw_disk_bus": ("scsi", "the disk's controller"),
    "hw_scsi_model": ("virtio-scsi", "the one that arm64 kernels have"),
    "hw_video_model": ("virtio", "the only display that arm64 guests drive"),
    "hw_input_bus": ("usb", "the machine has no PS/2 keyboard"),
    "hw_pointer_model": ("usbtablet", "the console's pointer follows the user's"),
}

#: Of an x86 guest, whose machine and disk are best left to the cloud.
X86_64: Mapping[str, tuple[str, str]] = {
    "hw_video_model": ("virtio", "its screen works before and without a driver, too"),
    "hw_pointer_model": ("usbtablet", "the console's pointer follows the user's"),
}

_GB = 2**30


def wanted(spec: PublishSpec) -> dict[str, str]:
    """All properties that a spec amounts to, kollarm's marks among them."""
    usual = X86_64 if spec.architecture == Architecture.X86_64 else ARM64
    values: dict[str, str | None] = {
        "architecture": spec.architecture,
        "os_distro": spec.os_distro,
        "os_version": spec.os_version,
        "os_admin_user": spec.os_admin_user,
        **{name: value for name, (value, _) in usual.items()},
        **spec.properties,
        **spec.provenance,
    }
    result = {name: value for name, value in values.items() if value}
    managed = sorted({*result, *([PROTECTED] if spec.protected else [])})
    return result | {OWNER_MARK: spec.name, MANAGED: ",".join(managed)}


def attributes(spec: PublishSpec, local: LocalImage) -> dict[str, AttributeValue]:
    """What Glance keeps as an image's own attributes."""
    disk = spec.min_disk if spec.min_disk is not None else math.ceil(local.virtual_size / _GB)
    return {
        "name": spec.name,
        "visibility": spec.visibility,
        "disk_format": local.disk_format,
        "container_format": "bare",
        "min_disk": disk,
        "min_ram": spec.min_ram,
        "protected": spec.protected,
        "tags": spec.tags,
    }
