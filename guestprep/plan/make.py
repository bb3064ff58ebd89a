"""Making the plan for an image: pure."""

from __future__ import annotations

from guestprep.archive.resolve import AvailablePackages
from guestprep.facts import GrubFacts, GuestFacts
from guestprep.parse.dpkg import DpkgStatus
from guestprep.parse.grub import requested_words
from guestprep.plan import extras, guest_files, kernel
from guestprep.plan.model import (
    AlreadySatisfied,
    CleanStep,
    FileStep,
    GrubChange,
    GrubStep,
    InstallStep,
    PlanItem,
    PreparationPlan,
    PreparationStep,
    ReplaceStep,
)
from guestprep.plan.preconditions import check
from guestprep.spec import PreparationPart, PreparationSpec

#: The datasources by which cloud-init gets its data from Nova.
_DATASOURCES = ("OpenStack", "ConfigDrive", "Ec2")

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
    check(facts, spec.parts)
    items: list[PlanItem] = []
    if PreparationPart.PACKAGES in spec.parts:
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
        items += kernel.load_driver(facts)
    if PreparationPart.INITRAMFS in spec.parts:
        items += [kernel.add_to_initramfs(entry, installs) for entry in facts.booted]
    if facts.grub is not None and (PreparationPart.GRUB in spec.parts or kernels):
        items += _grub(facts.grub, spec, kernels)
    if PreparationPart.FILES in spec.parts:
        items += extras.files(facts, spec) + extras.timezone(facts, spec, installs)
    if PreparationPart.SIZE in spec.parts:
        items += extras.growth(facts, spec)
    if PreparationPart.CLEAN in spec.parts:
        items += _clean(facts, spec)
    return PreparationPlan(
        subject=f"{facts.disk.path}: {facts.pretty_name}, {facts.architecture}",
        steps=tuple(item for item in items if isinstance(item, PreparationStep)),
        satisfied=tuple(item for item in items if isinstance(item, AlreadySatisfied)),
        warnings=tuple(_warnings(facts)),
    )


def _installs(items: list[PlanItem]) -> list[InstallStep]:
    return [item for item in items if isinstance(item, InstallStep)]


def _grub(grub: GrubFacts, spec: PreparationSpec, kernels: dict[str, str]) -> list[PlanItem]:
    items: list[PlanItem] = []
    consoles = f"console={' console='.join(spec.consoles)}"
    content = guest_files.drop_in(spec.consoles)
    name = guest_files.drop_in_name(grub.drop_ins)
    if name in grub.drop_ins and grub.drop_in_text == content:
        items.append(
            AlreadySatisfied("GRUB's settings", f"{name} is read last and sets {consoles}")
        )
    else:
        others = [other for other in grub.drop_ins if other != name]
        over = f" (read after {others[-1]})" if others else ""
        items.append(
            FileStep(
                f"later runs of update-grub must keep {consoles}{over}",
                f"/etc/default/grub.d/{name}",
                content,
            )
        )
    changes = tuple(
        GrubChange(entry.title, entry.words, requested_words(entry.words, spec.consoles))
        for entry in grub.entries
        if not entry.rescue and (entry.consoles != spec.consoles or entry.blanking)
    )
    if not changes and not kernels:
        items.append(AlreadySatisfied("GRUB's menu", f"every entry has {consoles}"))
        return items
    reason = f"the kernel must use {consoles}, of which the last one becomes /dev/console"
    blanking = sorted(
        {word for entry in grub.entries if not entry.rescue for word in entry.blanking}
    )
    if blanking:
        reason += f"; {', '.join(blanking)} would keep the screen black"
    if kernels:
        reason = f"it must boot kernel {', '.join(kernels.values())}; " + reason
    items.append(GrubStep(reason, grub.config, spec.consoles, changes, kernels))
    return items


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
    warnings = []
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
    if facts.unready:
        warnings.append(f"dpkg already has half-installed packages: {', '.join(facts.unready)}")
    return warnings
