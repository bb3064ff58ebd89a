"""Checks that this machine, its engines, registry and cloud have what a configuration needs."""

from kollarm.doctor.examine import examine
from kollarm.doctor.fix import fix
from kollarm.doctor.model import DoctorFinding, DoctorReport, Fix, Level

__all__ = ["DoctorFinding", "DoctorReport", "Fix", "Level", "examine", "fix"]
