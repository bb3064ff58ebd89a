"""Overlays checked."""
