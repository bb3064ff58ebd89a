"""What builder and guestprep share and what ties them: the ``kollarm`` command."""
