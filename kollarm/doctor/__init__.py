"""What this machine, its engines, registry and cloud lack for what a configuration wants."""

from kollarm.doctor.examine import examine
from kollarm.doctor.fix import fix
from kollarm.doctor.model import Finding, Fix, Level, Report

__all__ = ["Finding", "Fix", "Level", "Report", "examine", "fix"]
