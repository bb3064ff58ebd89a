"""Overlays checked against a release's own templates, without an engine.

Kolla itself silently drops a misspelt block and renders an undefined
variable as nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from builder.facts import RenderedTree
from builder.kolla import releases
from builder.kolla.render import render
from builder.kolla.request import RenderRequest
from builder.kolla.toolchain import toolchain
from builder.lint import architectures, downloads, kolla_templates
from builder.lint.patches import patched
from builder.lint.rendered import rendered
from builder.lint.rules import LintContext, faults_of, out_of_place
from builder.overlays import package_sources
from builder.overlays.compose import compose
from builder.overlays.model import DESCRIPTION, Overlay, available, read
from builder.overlays.settings import merge
from core.config.model import Architecture, Build, Checkout, Distro
from core.errors import ConfigError, Fault, counted
from core.suggest import did_you_mean
from core.text_output import joined_lines


@dataclass(frozen=True)
class LintReport:
    """The faults of overlays, for one release."""

    release: str
    kolla_version: str
    overlays: tuple[str, ...]
    faults: tuple[Fault, ...]
    elsewhere: tuple[str, ...] = ()
    """Overlays that don't apply to this release."""
    notes: tuple[Fault, ...] = ()
    """What isn't wrong, but worth a look."""

    @property
    def ok(self) -> bool:
        return not self.faults

    def to_dict(self) -> dict[str, object]:
        return {
            "release": self.release,
            "kolla": self.kolla_version,
            "overlays": list(self.overlays),
            "elsewhere": list(self.elsewhere),
            "ok": self.ok,
            "faults": [asdict(fault) for fault in self.faults],
            "notes": [asdict(note) for note in self.notes],
        }

    def to_text(self) -> str:
        lines = [*map(str, self.faults), *(f"note: {note}" for note in self.notes)]
        if self.elsewhere:
            lines.append(f"not for {self.release}: {', '.join(self.elsewhere)}")
        overlays = counted(len(self.overlays), "overlay")
        errors = counted(len(self.faults), "error")
        lines.append(f"{overlays}, Kolla {self.kolla_version} ({self.release}): {errors}")
        return joined_lines(lines)


def check_overlays(
    release: str,
    folders: Sequence[Path],
    names: Sequence[str] | None = None,
    *,
    build: Build | None = None,
) -> LintReport:
    """Check overlays against a release.

    :param folders: where overlays are looked for.
    :param names: the overlays to check, also with each other, in this order;
        without names every one that is found is checked, those that *build* chooses
        with each other, and those that don't apply to the release are only listed.
    :param build: the configuration's images, to which the chosen overlays have to apply.
    :raises ConfigError: the release or a named overlay is unknown, or there are no overlays.
    :raises KollarmError: the release's Kolla can't be installed.
    """
    known = available(folders)
    if not known:
        raise ConfigError(
            f"there is no overlay in {' or '.join(map(str, folders))}",
            hint=f"an overlay is a folder with a file {DESCRIPTION}, see docs/overlays.md",
        )
    if unknown := [name for name in names or () if name not in known]:
        raise ConfigError(
            "unknown overlays",
            [Fault(name, "no such overlay", did_you_mean(name, known)) for name in unknown],
        )
    chosen = list(names or (one for one in (build.overlays if build else ()) if one in known))
    faults: list[Fault] = []
    overlays: dict[str, Overlay] = {}
    for name in names or [*chosen, *sorted(set(known) - set(chosen))]:
        try:
            overlays[name] = read(known[name])
        except ConfigError as error:
            faults += error.faults
    together = [overlays[name] for name in chosen if name in overlays]
    others = [overlay for name, overlay in overlays.items() if name not in chosen]
    groups = rendered(release, build, together, others, configured=not names)
    trees = [group.trees[one] for group in groups for one in group.trees]
    tree = trees[0] if trees else plain_tree(release, build.kolla if build else None)
    own_tree = {
        one.name: next(iter(group.trees.values()), tree)
        for group in groups
        for one in group.overlays
    }
    elsewhere = []
    for name, overlay in overlays.items():
        misplaced = list(out_of_place(overlay, tree, release, build if name in chosen else None))
        faults += [fault for fault, everywhere in misplaced if name in chosen or everywhere]
        if misplaced and name not in chosen:
            elsewhere.append(name)
            continue
        company = together if name in chosen else [overlay]
        with patched(tree.templates, company) as (folder, refused):
            context = LintContext(kolla_templates.read(folder), own_tree.get(name, tree))
            faults += [fault for fault in refused if fault.where.startswith(f"{overlay.folder}/")]
            faults += faults_of(overlay, company, context)
    combinations: list[Callable[[], object]] = [
        lambda: compose(together, {}),
        lambda: merge(together),
        lambda: package_sources.merge(together),
        *(partial(package_sources.merge, [overlay]) for overlay in others),
    ]
    for combined in combinations:
        try:
            combined()
        except ConfigError as error:
            faults += [fault for fault in error.faults if fault not in faults]
    for group in groups:
        here = [overlay for overlay in group.overlays if overlay.name not in elsewhere]
        places = tuple(f"{overlay.folder}/" for overlay in here)
        # what is wrong in a template is a fault of its own already, at its line
        if here and not any(fault.where.startswith(places) for fault in faults):
            faults += [fault for fault in group.faults if fault not in faults]
        faults += architectures.faults_of(here, group.trees, group.places)
    notes = [
        note
        for name, overlay in overlays.items()
        if name not in elsewhere
        for note in downloads.notes_of(overlay)
    ]
    checked = tuple(name for name in overlays if name not in elsewhere)
    return LintReport(
        release, tree.kolla_version, checked, tuple(faults), tuple(elsewhere), tuple(notes)
    )


def plain_tree(release: str, checkout: Checkout | None = None) -> RenderedTree:
    """The release's own templates; the distribution and architecture don't matter."""
    kolla = toolchain(releases.find(release), checkout)
    return render(kolla, RenderRequest(Architecture.X86_64, Distro.UBUNTU))
