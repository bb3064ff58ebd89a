"""The report of a run: one HTML file that shows what was done, and needs no other file."""

from kollarm.report.write import write, write_consoles, write_deployment, write_failed

__all__ = ["write", "write_consoles", "write_deployment", "write_failed"]
