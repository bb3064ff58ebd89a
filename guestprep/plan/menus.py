"""Steps that change the kernels' command lines, wherever the boot loader in use has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.errors import UnusableInput
from guestprep.facts import BootLoader, GrubFacts, GuestFacts
from guestprep.parse.grub import BootEntry, concerned, renamed, requested_words
from guestprep.plan import guest_files
from guestprep.plan.model import AlreadySatisfied, FileStep, GrubChange, GrubStep, PlanItem
from guestprep.spec import PreparationSpec


def change(facts: GuestFacts, spec: PreparationSpec, kernels: Mapping[str, str]) -> list[PlanItem]:
    """The requested consoles in every menu entry, and in those of later kernels.

    :param kernels: versions of replaced kernels, each with the one to boot instead.
    :raises UnusableInput: an entry can't boot another kernel.
    """
    items: list[PlanItem] = []
    if facts.grub is not None:
        items += _settings(facts.grub, spec.consoles)
        items += _menu(facts.grub, facts, spec, dict(kernels))
    for entry in facts.loader_entries:
        # Of a replaced kernel's entry the paths change too.
        replaced = {old: new for old, new in kernels.items() if old == entry.version}
        _check_copies(entry, replaced, facts)
        changes = _changes([entry], spec)
        if changes or replaced:
            reason = _reason([entry], spec, replaced)
            items.append(GrubStep(reason, entry.path, spec.consoles, changes, replaced))
        else:
            consoles = _named(spec.consoles)
            items.append(AlreadySatisfied(entry.path, f"its command line has {consoles}"))
    if facts.waiting:
        reason = "systemd-boot would wait at its menu until somebody chooses (timeout menu-force)"
        items.append(GrubStep(reason, facts.waiting, spec.consoles, ()))
    items += _later_kernels(facts, spec)
    return items


def _check_copies(entry: BootEntry, replaced: Mapping[str, str], facts: GuestFacts) -> None:
    """Refuse to name another kernel where the loader reads copies, which only the guest makes.

    :raises UnusableInput: the entry would start a file that isn't there.
    """
    for old, new in replaced.items():
        there = {f"{other.top}{other.kernel}" for other in facts.loader_entries}
        path = renamed(f"{entry.top}{entry.kernel}", replaced)
        if path != f"/boot/vmlinuz-{new}" and path not in there:
            raise UnusableInput(
                f"“{entry.title}” starts a copy of kernel {old}, which has no graphics driver, and "
                f"there is no such copy of kernel {new}",
                hint="install a kernel with graphics in the image's own system, whose tools make "
                "the copy (linux-image-arm64, or Ubuntu's linux-image-generic)",
            )


def _named(consoles: Sequence[str]) -> str:
    return f"console={' console='.join(consoles)}"


def _settings(grub: GrubFacts, wanted: Sequence[str]) -> list[PlanItem]:
    """What GRUB's menu is made from again."""
    consoles = _named(wanted)
    if not guest_files.has_drop_ins(grub.config):
        words = grub.settings_words
        if words is None or requested_words(words, wanted) == words:
            return []
        reason = f"later runs of grub2-mkconfig must keep {consoles}"
        changed = (GrubChange("GRUB_CMDLINE_LINUX", words, requested_words(words, wanted)),)
        return [GrubStep(reason, guest_files.GRUB_SETTINGS, tuple(wanted), changed)]
    content = guest_files.drop_in(wanted)
    name = guest_files.drop_in_name(grub.drop_ins)
    if name in grub.drop_ins and grub.drop_in_text == content:
        return [AlreadySatisfied("GRUB's settings", f"{name} is read last and sets {consoles}")]
    others = [other for other in grub.drop_ins if other != name]
    over = f" (read after {others[-1]})" if others else ""
    reason = f"later runs of update-grub must keep {consoles}{over}"
    return [FileStep(reason, f"/etc/default/grub.d/{name}", content)]


def _menu(
    grub: GrubFacts, facts: GuestFacts, spec: PreparationSpec, kernels: dict[str, str]
) -> list[PlanItem]:
    items: list[PlanItem] = []
    changes = _changes(grub.entries, spec)
    hidden = [word for entry in facts.entries if not entry.rescue for word in entry.hidden]
    behind = [word for word in hidden if concerned(word)]
    in_environment = [word for word in grub.environment_words if concerned(word)]
    if changes or kernels or any(map(concerned, grub.variable_words)):
        reason = _reason(grub.entries, spec, kernels)
        if behind:
            reason += f"; a variable has {', '.join(dict.fromkeys(behind))}"
        items.append(GrubStep(reason, grub.config, spec.consoles, changes, kernels, grub.variables))
    elif grub.entries:
        consoles = _named(spec.consoles)
        items.append(AlreadySatisfied("GRUB's menu", f"every entry has {consoles}"))
    if in_environment:
        reason = f"GRUB's environment has {', '.join(in_environment)} for the kernel"
        items.append(GrubStep(reason, grub.environment, spec.consoles, (), {}, grub.variables))
    return items


def _changes(entries: Sequence[BootEntry], spec: PreparationSpec) -> tuple[GrubChange, ...]:
    return tuple(
        GrubChange(entry.title, entry.words, requested_words(entry.words, spec.consoles))
        for entry in entries
        if not entry.rescue and requested_words(entry.words, spec.consoles) != entry.words
    )


def _reason(entries: Sequence[BootEntry], spec: PreparationSpec, kernels: Mapping[str, str]) -> str:
    reason = (
        f"the kernel must use {_named(spec.consoles)}, of which the last one becomes /dev/console"
    )
    blanking = sorted({word for entry in entries if not entry.rescue for word in entry.blanking})
    if blanking:
        reason += f"; {', '.join(blanking)} would keep the screen black"
    if kernels:
        reason = f"it must boot kernel {', '.join(kernels.values())}; " + reason
    return reason


def _later_kernels(facts: GuestFacts, spec: PreparationSpec) -> list[PlanItem]:
    """What kernel-install gives to later kernels' entries."""
    words = facts.kernel_cmdline
    if words is None:
        if facts.loader is not BootLoader.SYSTEMD_BOOT:
            return []
        # Without that file kernel-install takes the running kernel's words.
        usual = [entry for entry in facts.loader_entries if not entry.rescue]
        words = usual[0].words if usual else ()
    wanted = requested_words(words, spec.consoles)
    if facts.kernel_cmdline == wanted or not words:
        return []
    reason = f"kernel-install must give later kernels {_named(spec.consoles)}"
    content = " ".join(wanted) + "\n"
    return [FileStep(reason, guest_files.KERNEL_CMDLINE, content)]
