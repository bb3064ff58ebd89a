"""What kollarm runs itself where there is none: a registry and a Glance on loopback.

Each outlives the command that started it, keeps its data, process id and log
under the project's state folder, and is found again by later runs.
"""
