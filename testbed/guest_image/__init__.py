"""Test images: bootable arm64 cloud images with the layout of a distribution's own.

The distributions' images can't be downloaded everywhere, and tests must not depend on their
present content.  Test images are made of Debian packages and laid out like the release's cloud
image: partitions, labels, boot loader, the kernel's division into packages.  Each has an apt
archive with the rest of its kernel's packages.
"""

from testbed.guest_image.image import GuestImage, make
from testbed.guest_image.layouts import LAYOUTS, ImageLayout

__all__ = ["LAYOUTS", "GuestImage", "ImageLayout", "make"]
