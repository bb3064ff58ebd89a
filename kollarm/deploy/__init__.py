"""``kollarm deploy``: thin over kolla-ansible, and honest about what it would ignore.

:func:`plan` says what will be written and run, :func:`execute` does it.
:func:`kollarm.deploy.images.images_for` works out which images a host needs.
"""

from kollarm.deploy.execute import StageFailed, execute
from kollarm.deploy.images import images_for
from kollarm.deploy.plan import DeployPlan, plan
from kollarm.deploy.record import DeployRecord
from kollarm.deploy.stages import DEFAULT_STAGES, Options, Stage
from kollarm.deploy.toolchain import release_tree

__all__ = [
    "DEFAULT_STAGES",
    "DeployPlan",
    "DeployRecord",
    "Options",
    "Stage",
    "StageFailed",
    "execute",
    "images_for",
    "plan",
    "release_tree",
]
