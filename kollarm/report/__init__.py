"""The page that a run leaves: one HTML file that shows what was done, to be read anywhere."""

from kollarm.report.write import write, write_consoles, write_failed

__all__ = ["write", "write_consoles", "write_failed"]
