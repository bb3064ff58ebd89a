"""A request to build images, from which plan, build and prepare start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from core.config.model import Architecture, Config
from core.errors import ConfigError, Fault


@dataclass(frozen=True)
class BuildRequest:
    """The configuration, with the images to build and to rebuild."""

    config: Config
    images: Sequence[str] = ()
    """Names or regular expressions; empty for the configuration's images."""
    architectures: Sequence[Architecture] = ()
    """The architectures to build for; empty for all in ``build.engines``."""
    force: bool = False
    """Rebuild images even if they are up to date."""
    refresh: timedelta | None = None
    """Rebuild images whose packages are older than this."""
    drop_members: bool = False
    """Drop entries of architectures that the configuration doesn't build from indices."""

    @property
    def tag(self) -> str:
        """The tag of the indices."""
        return self.config.build.tag or self.config.release

    def chosen_architectures(self) -> list[Architecture]:
        """The architectures to build for, in the configuration's order.

        :raises ConfigError: no engine builds a requested one.
        """
        engines = self.config.build.engines
        if faults := [
            Fault("build.engines", f"no engine builds {architecture}", "add one, or leave it out")
            for architecture in self.architectures
            if architecture not in engines
        ]:
            raise ConfigError("an architecture without an engine is requested", faults)
        return [one for one in engines if not self.architectures or one in self.architectures]

    def kept_members(self) -> tuple[str, ...] | None:
        """The architectures, by OCI's names, whose entries stay in indices; None for any.

        With :attr:`drop_members`, those of the configuration's other architectures still stay.
        """
        if not self.drop_members:
            return None
        chosen = self.chosen_architectures()
        return tuple(one.oci for one in self.config.build.engines if one not in chosen)
