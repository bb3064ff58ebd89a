"""Nova's and Placement's WSGI applications for gunicorn, chosen by ``KOLLARM_WSGI``.

Both parse the command line when they are imported, and fail on gunicorn's options.  This runs in
their virtual environment and imports nothing of kollarm.
"""

import importlib
import os
import sys

sys.argv = sys.argv[:1]

application = importlib.import_module(os.environ["KOLLARM_WSGI"]).application

__all__ = ["application"]
