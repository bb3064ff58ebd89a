"""The settings of a cloud: control nodes of one architecture, a compute node of the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.config.deploy import Deploy
from core.config.model import Config
from deploy.settings import Settings, settings_for

#: Three x86_64 control hosts and an ARM compute host.
CLOUD: dict[str, Any] = {
    "hosts": {
        "control[01:03]": {
            "architecture": "x86_64",
            "groups": ["control", "network"],
            "interfaces": {"neutron_external": "ens224", "network": "ens192"},
        },
        "compute01": {
            "architecture": "aarch64",
            "groups": ["compute"],
            "address": "10.0.0.9",
            "interfaces": {"network": "enP2p1s0f2"},
        },
    },
    "ssh": {"user": "kolla", "private_key": "~/.ssh/id"},
    "vips": {"internal": "10.0.0.254"},
}


def settings_in(tmp_path: Path, release: str = "2026.1", **changes: Any) -> Settings:
    config = Config.model_validate_json(
        json.dumps({"release": release, "registry": {"address": "reg:5000"}})
    ).model_copy(update={"state_dir": tmp_path / "state"})
    return settings_for(config, Deploy.model_validate_json(json.dumps(CLOUD | changes)))
