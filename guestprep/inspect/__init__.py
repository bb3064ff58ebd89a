"""Finding out what a guest image is: one launch of the appliance, nothing written."""

from guestprep.inspect.examine import Examination, examine, inspect

__all__ = ["Examination", "examine", "inspect"]
