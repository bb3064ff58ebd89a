"""The loader that UEFI starts by itself, made of the system's own where it is missing."""

from __future__ import annotations

from guestprep.facts import GuestFacts
from guestprep.parse.loaders import BESIDE_SHIM, STARTED, beside, own_loader
from guestprep.plan.model import LoaderStep
from guestprep.target import FALLBACK_LOADER


def add_fallback(facts: GuestFacts) -> list[LoaderStep]:
    """Put the system's own loader where UEFI looks for it on a machine without settings."""
    source = own_loader(facts.loaders)
    if facts.uefi or facts.bios or not source or not facts.esp:
        return []
    folder, _, name = source.rpartition("/")
    copies = {FALLBACK_LOADER: source}
    if name.lower() == STARTED[0]:
        for other in BESIDE_SHIM:
            if path := beside(facts.loaders, folder, other):
                copies[f"EFI/BOOT/{other}"] = path
    reason = "a new guest's UEFI knows no boot entry yet, and starts this file alone"
    return [LoaderStep(reason, facts.esp, copies)]
