"""The fixtures of the small cloud."""

from __future__ import annotations

from tests.support.small_cloud import cloud, prepared, x86

__all__ = ["cloud", "prepared", "x86"]
