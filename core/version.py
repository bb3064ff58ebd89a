"""The version of kollarm."""

__version__ = "0.1.0"
