"""What every section of the configuration is made of."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Architecture(StrEnum):
    """A machine's architecture, by the kernel's name for it (``uname -m``)."""

    X86_64 = "x86_64"
    AARCH64 = "aarch64"

    @property
    def oci(self) -> str:
        """The name in OCI image configs and indices (Go's GOARCH)."""
        return {"x86_64": "amd64", "aarch64": "arm64"}[self.value]

    @property
    def debian(self) -> str:
        """The name in Debian's and Ubuntu's archives."""
        return self.oci

    @property
    def platform(self) -> str:
        """What ``docker --platform`` takes."""
        return f"linux/{self.oci}"


class Section(BaseModel):
    """What every section shares: no unknown keys, no silent conversion, no change after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
