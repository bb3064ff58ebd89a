"""Finding out what a guest image contains: one launch of the appliance, nothing written."""

from guestprep.inspect.identify import Identity, identify
from guestprep.inspect.image import Inspection, inspect_disk, inspect_image

__all__ = ["Identity", "Inspection", "identify", "inspect_disk", "inspect_image"]
