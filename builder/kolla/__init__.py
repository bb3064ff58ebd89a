"""Kolla itself."""
