"""cloud-init's configuration: the user it makes in a new guest.

Source of the format: https://docs.cloud-init.io/en/latest/reference/base_config_reference.html
(``system_info.default_user``).
"""

from __future__ import annotations

from collections.abc import Iterable

import yaml


def default_user(texts: Iterable[str]) -> str:
    """The name of the default user; empty where none is set.

    :param texts: cloud.cfg, then the files of cloud.cfg.d in their order: the last one wins.
    """
    found = ""
    for text in texts:
        try:
            data = yaml.safe_load(text)
            name = data["system_info"]["default_user"]["name"]
        except (yaml.YAMLError, ValueError, RecursionError, KeyError, TypeError):
            continue  # cloud-init can't read it either, or it has other settings
        if isinstance(name, str):
            found = name
    return found
