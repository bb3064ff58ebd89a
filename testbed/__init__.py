"""Test beds for kollarm, not part of the product: a small cloud, and bootable guest images."""
