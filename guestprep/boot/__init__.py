"""Proof by booting: start an image the way Nova would, and read its screen."""

from guestprep.boot.report import BootReport, Sighting
from guestprep.boot.states import BootState
from guestprep.boot.watch import boot

__all__ = ["BootReport", "BootState", "Sighting", "boot"]
