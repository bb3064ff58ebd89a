"""Nova's and Placement's WSGI applications for gunicorn, chosen by ``KOLLARM_WSGI``.

Both read options from the command line when they are imported, and stop at
gunicorn's.  It runs in their virtual environment and imports nothing of kollarm's.
"""

import importlib
import os
import sys

sys.argv = sys.argv[:1]

application = importlib.import_module(os.environ["KOLLARM_WSGI"]).application

__all__ = ["application"]
