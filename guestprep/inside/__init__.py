"""Carrying out a plan with the guest's own programs, inside the appliance.

The slow engine: the guest's dpkg, update-initramfs and update-grub do what the offline engine
composes by itself.  It is what the other one is compared with, and the way for packages whose
scripts must run.
"""

from guestprep.inside.emulation import enable_emulation
from guestprep.inside.execute import apply_inside, no_services, run_inside

__all__ = ["apply_inside", "enable_emulation", "no_services", "run_inside"]
