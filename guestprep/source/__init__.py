"""The image a preparation starts from: known to be the right file, and a disk that can be used."""

from guestprep.source.disk import DiskFacts, disk_facts

__all__ = ["DiskFacts", "disk_facts"]
