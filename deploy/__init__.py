"""``kollarm deploy``: thin over kolla-ansible, and honest about what it would ignore.

:func:`plan` says what will be written and run, :func:`execute` does it.
:func:`core.kolla_ansible.images.images_for` works out which images a host needs.
"""

from core.kolla_ansible.images import images_for
from core.kolla_ansible.toolchain import release_tree
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
    "images_for",
    "plan",
    "release_tree",
]
