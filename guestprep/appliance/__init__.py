"""libguestfs's appliance: a small virtual machine in which a guest's disk is read and changed.

No byte of a guest is ever interpreted by the host's kernel.
"""

from guestprep.appliance.client import Appliance, ApplianceError, GuestCallError
from guestprep.appliance.launch import Drive, launch_appliance

__all__ = ["Appliance", "ApplianceError", "Drive", "GuestCallError", "launch_appliance"]
