"""Carrying out a plan offline: the host composes what the guest's own programs would write."""

from guestprep.apply.execute import ApplyResult, apply_offline

__all__ = ["ApplyResult", "apply_offline"]
