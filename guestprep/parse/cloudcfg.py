"""cloud-init's configuration: the user it makes in a guest, whom it asks for data, networks.

Source of the format: https://docs.cloud-init.io/en/latest/reference/base_config_reference.html
(``system_info.default_user``, ``datasource_list``, ``network``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import yaml


def default_user(texts: Iterable[str]) -> str:
    """The name of the default user; empty where none is set.

    :param texts: cloud.cfg, then the files of cloud.cfg.d in their order: the last one wins.
    """
    found = ""
    for data in _read(texts):
        try:
            name = data["system_info"]["default_user"]["name"]
        except (KeyError, TypeError):
            continue  # it has other settings
        if isinstance(name, str):
            found = name
    return found


def datasources(texts: Iterable[str]) -> tuple[str, ...] | None:
    """Names of the datasources that are tried; None where none are set.

    :param texts: cloud.cfg, then the files of cloud.cfg.d in their order: the last one wins.
    """
    found = None
    for data in _read(texts):
        listed = data.get("datasource_list")
        if isinstance(listed, list):
            found = tuple(str(name) for name in listed)
    return found


def network_left_alone(texts: Iterable[str]) -> bool:
    """Whether cloud-init makes no network settings (``network: {config: disabled}``).

    :param texts: cloud.cfg, then the files of cloud.cfg.d in their order: the last one wins.
    """
    found = False
    for data in _read(texts):
        if isinstance(network := data.get("network"), dict):
            found = network.get("config") == "disabled"
    return found


def _read(texts: Iterable[str]) -> Iterator[dict[Any, Any]]:
    """The settings of each text that can be read."""
    for text in texts:
        try:
            data = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError):
            continue  # cloud-init can't read it either
        if isinstance(data, dict):
            yield data
