"""Kolla itself: its releases, templates and sources, and the images that hosts need."""
