"""The cloud of a configuration."""

from __future__ import annotations

import os
from typing import Any

from core.config.model import Config
from core.errors import ConfigError
from deploy.credentials import CLOUD, CLOUDS, OPENRC, cloud_names, credentials_file
from guestprep.publish import connect
from kollarm.services.chosen_ports import glance_port
from kollarm.services.glance import EmbeddedGlance


def cloud_for(config: Config, name: str | None = None) -> Any:
    """A connection to the configuration's cloud; an embedded Glance is started.

    A cloud that was deployed from this configuration is found in the clouds.yaml that
    post-deploy wrote: by its name, or if neither a name nor ``$OS_CLOUD`` says otherwise.

    :param name: a cloud of clouds.yaml, instead of the configuration's.
    :raises KollarmError: the embedded Glance does not start.
    :raises ConfigError: clouds.yaml has no such cloud.
    """
    if name is None and config.cloud.embedded:
        glance = EmbeddedGlance(config.state_dir, glance_port(config))
        glance.start()
        return connect(glance.cloud, clouds_yaml=glance.clouds_yaml)
    region = config.cloud.region if name is None else None
    return _named(config, name or config.cloud.name, region)


def _named(config: Config, name: str | None, region: str | None) -> Any:
    named = name or os.environ.get("OS_CLOUD")
    nameless = named is None and "OS_AUTH_URL" not in os.environ
    deployed = credentials_file(config, CLOUDS)
    if deployed is not None and (nameless or named in cloud_names(deployed)):
        return connect(named or CLOUD, region=region, clouds_yaml=deployed)
    if nameless and (openrc := credentials_file(config, OPENRC)) is not None:
        raise ConfigError(
            "no cloud is named", hint=f"load the credentials of the deployed one: . {openrc}"
        )
    return connect(named, region=region)


def clouds_for(config: Config, name: str | None = None) -> list[Any]:
    """Connections to all clouds and regions that guest images are published to.

    :param name: a cloud of clouds.yaml; then only this one.
    :raises KollarmError: as :func:`cloud_for`.
    """
    also = config.cloud.also if name is None else []
    return [cloud_for(config, name), *(_named(config, one.name, one.region) for one in also)]
