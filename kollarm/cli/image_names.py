"""The repositories of container images that a command is about."""

from __future__ import annotations

import re

from builder.image_list import list_images
from builder.request import BuildRequest
from core.config.model import Config
from core.errors import ConfigError

#: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")


def repositories(config: Config, images: tuple[str, ...]) -> list[str]:
    """The repositories of the images that were named, or of all in the configuration.

    Those that were named are not looked for in the release: it may not have them any more.

    :raises ConfigError: a name can't be an image's.
    """
    for name in images:
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} is not the name of an image")
    named = [f"{config.build.namespace}/{name}" for name in images]
    return named or [image.repository for image in list_images(BuildRequest(config)).images]
