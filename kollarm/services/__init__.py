"""Services that kollarm runs itself on loopback: a registry and a Glance.

Each outlives the command that started it, keeps its data, process id and log
in the project's state folder, and is found by later runs.
"""
