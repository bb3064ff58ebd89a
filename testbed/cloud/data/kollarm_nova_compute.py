"""nova-compute, with this folder as another place for drivers.

Nova loads drivers from its own package only.  This runs in Nova's virtual environment and imports
nothing of kollarm.
"""

import sys
from pathlib import Path

# The first import, as in Nova's own script, because it applies eventlet's patches.
from nova.cmd.compute import main  # type: ignore[import-not-found]  # isort: skip
import nova.virt  # type: ignore[import-not-found]

nova.virt.__path__.append(str(Path(__file__).parent))
sys.argv[0] = "nova-compute"

if __name__ == "__main__":
    sys.exit(main())
