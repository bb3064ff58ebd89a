"""Test images: bootable arm64 cloud images in a distribution's layout, made by script.

The distributions' own images can't be fetched everywhere, and no test may depend
on what they hold today.  These are made of Debian packages and laid out like
the named release's cloud image: partitions, labels, boot loader, the split of
the kernel into packages, and an apt archive of their own to complete it from.
"""

from testbed.guest_image.image import GuestImage, make
from testbed.guest_image.layouts import LAYOUTS, ImageLayout

__all__ = ["LAYOUTS", "GuestImage", "ImageLayout", "make"]
