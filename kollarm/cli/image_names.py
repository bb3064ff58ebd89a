"""The repositories of container images that a command is about."""

from __future__ import annotations

from builder.image_list import list_images
from builder.request import BuildRequest
from core.config.contradictions import PART
from core.config.model import Config
from core.errors import ConfigError


def repositories(config: Config, images: tuple[str, ...]) -> list[str]:
    """The repositories of the images that were named, or of all in the configuration.

    Those that were named are not looked for in the release: it may not have them any more.

    :raises ConfigError: a name can't be an image's.
    """
    for name in images:
        if not PART.fullmatch(name):
            raise ConfigError(f"{name!r} is not the name of an image")
    named = [f"{config.build.namespace}/{name}" for name in images]
    return named or [image.repository for image in list_images(BuildRequest(config)).images]
