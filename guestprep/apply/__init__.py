"""Carrying out a plan offline: the host composes what the guest's own programs would make."""

from guestprep.apply.execute import Outcome, execute

__all__ = ["Outcome", "execute"]
