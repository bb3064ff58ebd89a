"""Finding out what a guest image is: one launch of the appliance, nothing written."""

from guestprep.inspect.examine import Examination, examine, inspect
from guestprep.inspect.identify import Identity, identify

__all__ = ["Examination", "Identity", "examine", "identify", "inspect"]
