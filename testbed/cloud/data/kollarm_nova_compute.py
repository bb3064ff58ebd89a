"""nova-compute, with this folder as one more place for its drivers.

Nova takes a driver from its own package only.  It runs in Nova's virtual environment
and imports nothing of kollarm's.
"""

import sys
from pathlib import Path

# The first import of Nova's, as in its own script: it puts eventlet in place.
from nova.cmd.compute import main  # type: ignore[import-not-found]  # isort: skip
import nova.virt  # type: ignore[import-not-found]

nova.virt.__path__.append(str(Path(__file__).parent))
sys.argv[0] = "nova-compute"

if __name__ == "__main__":
    sys.exit(main())
