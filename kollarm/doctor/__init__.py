"""What this machine, its engines, registry and cloud lack for what a configuration wants."""

from kollarm.doctor.examine import examine
from kollarm.doctor.fix import fix
from kollarm.doctor.model import DoctorFinding, DoctorReport, Fix, Level

__all__ = ["DoctorFinding", "DoctorReport", "Fix", "Level", "examine", "fix"]
