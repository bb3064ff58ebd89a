"""New texts of the files that boot loaders' menus are in."""

from __future__ import annotations

from guestprep.parse import bls, grub, loader_conf
from guestprep.plan import guest_files
from guestprep.plan.model import GrubStep


def changed_text(step: GrubStep, text: str) -> str:
    """What a step makes of the file that it names."""
    if step.path == guest_files.GRUB_SETTINGS:
        return grub.rewrite_settings(text, step.consoles)
    if step.path.endswith("/grubenv"):
        return grub.rewrite_environment(text, step.variables)
    if step.path.endswith("/loader/loader.conf"):
        return loader_conf.rewrite(text)
    if step.path.endswith(".conf"):
        return bls.rewrite(text, step.consoles, step.kernels)
    return grub.rewrite(text, step.consoles, step.kernels, step.variables)
