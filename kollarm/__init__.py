"""What builder and guestprep share and what ties them: the ``kollarm`` command."""

__version__ = "0.1.0"
