"""Attestations of an index and its images, kept in the registry: provenance and contents.

Statements and bills of materials are artifacts that refer to their subject
(https://github.com/opencontainers/distribution-spec, referrers).  They are written
before the index takes its tag: a tagged index has them, whenever a run ends.
:mod:`core.attestation.verification` reads them back.
"""

from builder.attest.make import Attestor, SigningKey, UnknownEntryError

__all__ = ["Attestor", "SigningKey", "UnknownEntryError"]
