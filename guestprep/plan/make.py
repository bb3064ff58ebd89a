"""Making the plan for an image: pure."""

from __future__ import annotations

from guestprep.archive.resolve import AvailablePackages
from guestprep.facts import GuestFacts
from guestprep.parse.dpkg import DpkgStatus
from guestprep.plan import chosen_kernel, extras, guest_files, kernel, loader, menus, screen
from guestprep.plan.model import (
    AlreadySatisfied,
    CleanStep,
    FileStep,
    InstallStep,
    PlanItem,
    PreparationPlan,
    PreparationStep,
    ReplaceStep,
)
from guestprep.plan.preconditions import check
from guestprep.spec import PreparationPart, PreparationSpec
from guestprep.target import MACHINES

#: The datasources by which cloud-init gets its data from Nova.
_DATASOURCES = ("OpenStack", "ConfigDrive", "Ec2")

_NO_DRIVER = AlreadySatisfied("driver", "the screen of such a machine needs none")

_NO_DATA = "guests won't get their SSH keys and host names from Nova"


def make_plan(
    facts: GuestFacts, status: DpkgStatus, spec: PreparationSpec, available: AvailablePackages
) -> PreparationPlan:
    """The steps that turn an image into what is requested.

    The same arguments give the same plan; a prepared image gives one without steps.

    :param status: the guest's packages.
    :param available: the archives' packages; read only when something has to be installed.
    :raises UnusableInput: the image can't be prepared, with every reason.
    """
    check(facts, spec)
    needs_driver = MACHINES[spec.architecture].needs_driver
    items: list[PlanItem] = []
    if PreparationPart.PACKAGES in spec.parts:
        if spec.kernel:
            items += chosen_kernel.install_kernel(spec.kernel, facts, status, available)
        elif needs_driver:
            items += kernel.install_drivers(facts, status, available)
        items += extras.packages(spec, status, available, _installs(items))
    installs = _installs(items)
    kernels = {
        old: step.kernel
        for step in installs
        if isinstance(step, ReplaceStep)
        for old in step.replaced
    }
    if PreparationPart.LOADING in spec.parts:
        items += kernel.load_driver(facts) if needs_driver else [_NO_DRIVER]
        items += screen.login_prompt(facts)
    if PreparationPart.INITRAMFS in spec.parts and needs_driver:
        started = [entry for entry in facts.kernels if entry.version in kernels.values()]
        items += [
            kernel.add_to_initramfs(entry, installs)
            for entry in dict.fromkeys((*facts.booted, *started))
        ]
    if PreparationPart.GRUB in spec.parts or kernels:
        items += menus.change(facts, spec, kernels)
    if PreparationPart.GRUB in spec.parts:
        items += loader.add_fallback(facts)
    if PreparationPart.FILES in spec.parts:
        items += extras.files(facts, spec) + extras.timezone(facts, spec, installs)
    if PreparationPart.SIZE in spec.parts:
        items += extras.growth(facts, spec)
    if PreparationPart.CLEAN in spec.parts:
        items += _clean(facts, spec)
    if facts.selinux and any(isinstance(item, PreparationStep) for item in items):
        reason = (
            "SELinux is on, and files that are written from outside have no label: at its first "
            "start a guest labels all files, and starts once more"
        )
        items.append(FileStep(reason, guest_files.RELABEL, ""))
    return PreparationPlan(
        subject=f"{facts.disk.path}: {facts.pretty_name}, {facts.architecture}",
        steps=tuple(item for item in items if isinstance(item, PreparationStep)),
        satisfied=tuple(item for item in items if isinstance(item, AlreadySatisfied)),
        warnings=tuple(_warnings(facts)),
    )


def _installs(items: list[PlanItem]) -> list[InstallStep]:
    return [item for item in items if isinstance(item, InstallStep)]


def _clean(facts: GuestFacts, spec: PreparationSpec) -> list[PlanItem]:
    leftovers = facts.leftovers
    steps: list[PlanItem] = []
    if spec.clean_machine_id and leftovers.machine_id:
        reason = "each guest needs a machine-id of its own"
        if leftovers.machine_id_copies:
            reason += f", which would be made from {', '.join(leftovers.machine_id_copies)}"
        steps.append(
            CleanStep(reason, "the machine-id", leftovers.machine_id_copies, ("/etc/machine-id",))
        )
    if spec.clean_machine_id and leftovers.secrets:
        reason = "guests must not share random seeds, or the secret of encrypted credentials"
        steps.append(CleanStep(reason, "seeds and secrets", leftovers.secrets))
    if spec.clean_host_keys and leftovers.host_keys:
        reason = "each guest needs SSH host keys of its own"
        steps.append(CleanStep(reason, "SSH host keys", leftovers.host_keys))
    if spec.clean_cloud_init and leftovers.cloud_init:
        reason = "cloud-init must run as on a first boot"
        steps.append(CleanStep(reason, "cloud-init's state", leftovers.cloud_init))
    if spec.clean_apt_lists and leftovers.apt_lists:
        reason = "package lists get outdated, and apt downloads new ones"
        steps.append(CleanStep(reason, "apt's lists", leftovers.apt_lists))
    nothing = AlreadySatisfied("clean-up", "no identity or state of a machine is in the image")
    return steps or [nothing]


def _warnings(facts: GuestFacts) -> list[str]:
    warnings = list(screen.warnings(facts))
    if not facts.cloud_init:
        warnings.append(f"no cloud-init: {_NO_DATA}")
    elif facts.cloud_init_off:
        warnings.append(f"/etc/cloud/cloud-init.disabled turns cloud-init off: {_NO_DATA}")
    elif facts.datasources is not None and not set(_DATASOURCES) & set(facts.datasources):
        names = ", ".join(facts.datasources) or "nothing"
        warnings.append(
            f"cloud-init is set to ask {names}, and none of {', '.join(_DATASOURCES)} "
            f"(datasource_list in /etc/cloud): {_NO_DATA}"
        )
    elif facts.cloud_seeds:
        seeds = ", ".join(facts.cloud_seeds)
        warnings.append(f"cloud-init takes its data from {seeds} in the image: {_NO_DATA}")
    if facts.fixed_networks:
        warnings.append(
            f"{', '.join(facts.fixed_networks)} is for the network card of one machine, and "
            "cloud-init is set to leave networks alone: guests may have no network"
        )
    if facts.absent:
        warnings.append(
            f"fstab has {', '.join(facts.absent)}, which isn't on the disk or can't be read: "
            "what is there stays as it is"
        )
    if facts.unready:
        warnings.append(f"dpkg already has half-installed packages: {', '.join(facts.unready)}")
    return warnings
