"""Why a plan builds, pushes, writes or keeps something."""

from __future__ import annotations

from enum import StrEnum


class BuildReason(StrEnum):
    """The reason of a step; its value is the sentence that a plan shows."""

    # images that are kept or pushed
    UP_TO_DATE = "the registry has it with the same key"
    IN_ENGINE = "the engine has it with the same key"
    # images that are built
    NOT_IN_REGISTRY = "not in the registry"
    FOREIGN = "the image in the registry was not built by kollarm"
    INPUTS_CHANGED = "its inputs changed"
    PARENT_CHANGES = "its parent changes"
    FORCED = "requested with --force"
    PARENT_REBUILT = "its parent is rebuilt"
    OLD_PARENT = "built on an older image of its parent"
    AGE_UNKNOWN = "the age of its packages is unknown"
    OLD_PACKAGES = "its packages are too old"
    NOT_OF_THIS_KEY = "the image in the registry is not known to the signing key"
    CLOCK_BEHIND = "its packages are newer than this machine's clock"
    # indices
    SAME_MEMBERS = "it lists these members already"
    MEMBERS_CHANGE = "its members change"
    ENTRY_NOT_OF_THIS_KEY = "an entry that stays in it is not known to the signing key"
    NOT_ATTESTED = "its attestations are missing or invalid"
