"""The image a preparation starts from: located, checked, and known to be a usable disk."""

from guestprep.source.disk import DiskFacts, disk_facts

__all__ = ["DiskFacts", "disk_facts"]
