"""Machines to try kollarm on."""
