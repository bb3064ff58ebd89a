"""Dockerfiles and build contexts."""
