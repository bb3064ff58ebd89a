"""What builder and guestprep share and what ties them: the ``kollarm`` command."""

import sys
from pathlib import Path

# Where it is installed, the other packages are in a folder of this one (see setup.py): their names
# are too general for a folder that all programs share.
_PACKAGES = Path(__file__).parent / "packages"
if _PACKAGES.is_dir():
    sys.path.insert(0, str(_PACKAGES))
