"""Keystone's WSGI application for gunicorn.

Keystone reads options from the command line when it is imported, and stops at
gunicorn's.  It runs in its own virtual environment and imports nothing of kollarm's.
"""

import sys

sys.argv = sys.argv[:1]

from keystone.wsgi.api import application  # type: ignore[import-not-found]  # noqa: E402

__all__ = ["application"]
