"""Nova's own options that a cloud of two architectures needs.

kolla-ansible has no variables for them; it merges files of the custom configuration into Nova's:
https://docs.openstack.org/kolla-ansible/latest/admin/advanced-configuration.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.config.model import Architecture
from core.kolla_ansible.release_files import ReleaseFiles
from deploy.inventory import HEADER, compute_hosts
from deploy.settings import ResolvedHost, Settings

#: What newer releases of kolla-ansible set on every host; Nova takes at most 28.
PCIE_PORTS = 16
#: What Nova itself takes where another architecture's host emulates ARM; libvirt has no
#: host-passthrough without KVM. https://docs.openstack.org/nova/latest/admin/cpu-models.html
EMULATED_CPU = "cortex-a57"


@dataclass(frozen=True)
class NovaOptions:
    """Options in one section of one of Nova's files, of which none is set without the others."""

    file: str
    """The file's name in the custom configuration."""
    section: str
    values: Mapping[str, str]
    why: str
    """What would be without them."""


def wanted_options(
    settings: Settings, tree: ReleaseFiles, hosts: Sequence[ResolvedHost]
) -> Iterator[NovaOptions]:
    """The options that this cloud needs and the release doesn't set."""
    compute = compute_hosts(settings, tree, hosts)
    kinds = {host.architecture for host in compute}
    # Kolla's libvirt has QEMU for every architecture, which Nova takes for a host's own.
    if Architecture.AARCH64 in kinds and settings.release.architecture_prefilter:
        yield NovaOptions(
            "nova/nova-scheduler.conf",
            "scheduler",
            {"image_metadata_prefilter": "true"},
            "guests would be started on hosts of another architecture, too, and fail there",
        )
    if len(kinds) > 1:
        yield NovaOptions(
            "nova/nova-scheduler.conf",
            "filter_scheduler",
            {"image_properties_default_architecture": Architecture.X86_64.value},
            "images without the property architecture would be started on either",
        )
    for host in compute:
        if host.architecture is Architecture.AARCH64:
            yield from _arm_host_options(settings, tree, host)


def _arm_host_options(
    settings: Settings, tree: ReleaseFiles, host: ResolvedHost
) -> Iterator[NovaOptions]:
    file = f"nova/{host.name}/nova.conf"
    if not tree.reads("num_pcie_ports"):
        yield NovaOptions(
            file,
            "libvirt",
            {"num_pcie_ports": str(PCIE_PORTS)},
            "an ARM guest would have one or two free slots for further volumes and ports",
        )
    given = host.own | settings.deploy.globals
    if given.get("nova_compute_virt_type") == "qemu" and "nova_libvirt_cpu_mode" not in given:
        yield NovaOptions(
            file,
            "libvirt",
            {"cpu_mode": "custom", settings.release.cpu_model_option: EMULATED_CPU},
            "no guest would start: without KVM, libvirt has no host-passthrough on ARM",
        )


def custom_folder(settings: Settings) -> Path:
    """The folder of the custom configuration."""
    return settings.deploy.custom_config or settings.config_dir / "config"


def read_custom(folder: Path) -> dict[str, str]:
    """Nova's files of a custom configuration, by name."""
    patterns = ("global.conf", "nova.conf", "nova/*.conf", "nova/*/*.conf")
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8", errors="replace")
        for pattern in patterns
        for path in sorted(folder.glob(pattern))
        if path.is_file()
    }


def option_files(
    settings: Settings, options: Sequence[NovaOptions], custom: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """The files to write in the configuration folder, and notes on what only the user can write.

    A folder that the user names, and files of their own, are never changed.

    :param custom: the present files (:func:`read_custom`).
    """
    written: dict[str, list[NovaOptions]] = {}
    notes: list[str] = []
    own = {name: text for name, text in custom.items() if not text.startswith(HEADER)}
    for wanted in options:
        if any(name in text for text in own.values() for name in wanted.values):
            continue  # theirs is stronger, or says the same
        if settings.deploy.custom_config or wanted.file in own:
            lines = " and ".join(f"{name} = {value}" for name, value in wanted.values.items())
            notes.append(
                f"{custom_folder(settings) / wanted.file}: put [{wanted.section}] "
                f"{lines} into it: {wanted.why}"
            )
        else:
            written.setdefault(f"config/{wanted.file}", []).append(wanted)
    return {path: _text(some) for path, some in written.items()}, notes


def _text(options: Sequence[NovaOptions]) -> str:
    """The file that sets these options."""
    lines = [HEADER]
    for section in dict.fromkeys(some.section for some in options):
        lines.append(f"[{section}]")
        for some in options:
            if some.section == section:
                lines.append(f"# Without this {some.why}.")
                lines += [f"{name} = {value}" for name, value in some.values.items()]
    return "\n".join(lines) + "\n"
