"""The plan for an image."""

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
    PreparationPlan,
    PreparationStep,
    ReplaceStep,
)
from guestprep.plan.preconditions import check
from guestprep.spec import PreparationPart, PreparationSpec


def make_plan(
    facts: GuestFacts, status: DpkgStatus, spec: PreparationSpec, available: AvailablePackages
) -> PreparationPlan:
    """The steps that make an image what is requested.

    The same arguments give the same plan; a prepared image gives one without steps.

    :param status: the guest's packages.
    :param available: the archives' packages; asked only when something has to be installed.
    :raises UnusableInput: an image that can't be prepared, with every reason.
    """
    check(facts, spec.parts)
    found: list[PreparationStep | AlreadySatisfied] = []
    kernels: dict[str, str] = {}
    if PreparationPart.PACKAGES in spec.parts:
        for entry in facts.booted:
            installation = kernel.install(entry, facts.distribution, status, available)
            found.append(installation)
            if isinstance(installation, ReplaceStep):
                kernels[installation.old] = installation.kernel
        installs = [item for item in found if isinstance(item, InstallStep)]
        found += extras.packages(spec, status, available, installs)
    if PreparationPart.LOADING in spec.parts:
        found += kernel.loading(facts)
    if PreparationPart.INITRAMFS in spec.parts:
        installs = [item for item in found if isinstance(item, InstallStep)]
        found += [kernel.initramfs(entry, installs) for entry in facts.booted]
    if facts.grub is not None and (PreparationPart.GRUB in spec.parts or kernels):
        found += _grub(facts.grub, spec, kernels)
    if PreparationPart.FILES in spec.parts:
        installs = [item for item in found if isinstance(item, InstallStep)]
        found += extras.files(facts, spec) + extras.timezone(facts, spec, installs)
    if PreparationPart.SIZE in spec.parts:
        found += extras.growth(facts, spec)
    if PreparationPart.CLEAN in spec.parts:
        found += _clean(facts, spec)
    return PreparationPlan(
        subject=f"{facts.disk.path}: {facts.pretty_name}, {facts.architecture}",
        steps=tuple(item for item in found if isinstance(item, PreparationStep)),
        settled=tuple(item for item in found if isinstance(item, AlreadySatisfied)),
        warnings=tuple(_warnings(facts)),
    )


def _grub(
    grub: GrubFacts, spec: PreparationSpec, kernels: dict[str, str]
) -> list[PreparationStep | AlreadySatisfied]:
    found: list[PreparationStep | AlreadySatisfied] = []
    consoles = f"console={' console='.join(spec.consoles)}"
    content = guest_files.drop_in(spec.consoles)
    name = guest_files.drop_in_name(grub.drop_ins)
    if name in grub.drop_ins and grub.drop_in_text == content:
        found.append(AlreadySatisfied("GRUB's settings", f"{name} sorts last and has {consoles}"))
    else:
        others = [other for other in grub.drop_ins if other != name]
        over = f", after {others[-1]}" if others else ""
        found.append(
            FileStep(
                f"the next update-grub shall keep {consoles}{over}",
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
        found.append(AlreadySatisfied("GRUB's menu", f"every entry has {consoles}"))
        return found
    reason = f"the kernel shall use {consoles}; the last one becomes /dev/console"
    blanking = sorted(
        {word for entry in grub.entries if not entry.rescue for word in entry.blanking}
    )
    if blanking:
        reason += f"; {', '.join(blanking)} would keep the screen black and is removed"
    if kernels:
        reason = f"it must start kernel {', '.join(kernels.values())}; " + reason
    found.append(GrubStep(reason, grub.config, spec.consoles, changes, kernels))
    return found


def _clean(facts: GuestFacts, spec: PreparationSpec) -> list[PreparationStep | AlreadySatisfied]:
    left = facts.leftovers
    found: list[PreparationStep | AlreadySatisfied] = []
    if spec.clean_machine_id and left.machine_id:
        found.append(
            CleanStep(
                "each guest needs a machine-id of its own",
                "the machine-id",
                (),
                ("/etc/machine-id",),
            )
        )
    if spec.clean_host_keys and left.host_keys:
        found.append(
            CleanStep("each guest needs SSH host keys of its own", "SSH host keys", left.host_keys)
        )
    if spec.clean_cloud_init and left.cloud_init:
        found.append(
            CleanStep(
                "cloud-init shall run as on a first start", "cloud-init's state", left.cloud_init
            )
        )
    if spec.clean_apt_lists and left.apt_lists:
        found.append(
            CleanStep("package lists grow old and are fetched anew", "apt's lists", left.apt_lists)
        )
    if not found:
        found.append(AlreadySatisfied("clean-up", "no machine's identity or state is in the image"))
    return found


def _warnings(facts: GuestFacts) -> list[str]:
    found = []
    if not facts.cloud_init:
        found.append("no cloud-init: guests won't get their keys and names from Nova")
    if facts.unready:
        found.append(f"dpkg already has unfinished packages: {', '.join(facts.unready)}")
    return found
