"""``kollarm deploy``: a front end to kolla-ansible for clouds of two architectures.

It writes kolla-ansible's configuration, refuses what kolla-ansible would silently ignore,
checks that the registry has every image the hosts will pull, and runs the stages.
:func:`plan` makes the plan, :func:`execute` carries it out.
"""

from deploy.execute import StageFailed, execute
from deploy.plan import DeployPlan, plan
from deploy.record import DeployRecord
from deploy.stages import DEFAULT_STAGES, AnsibleOptions, DeployStage

__all__ = [
    "DEFAULT_STAGES",
    "AnsibleOptions",
    "DeployPlan",
    "DeployRecord",
    "DeployStage",
    "StageFailed",
    "execute",
    "plan",
]
