"""What is told of an index in the registry beside it: how it was made, and what is in its images.

Statements and bills of materials are artifacts that refer to what they are about
(https://github.com/opencontainers/distribution-spec, referrers).  They are written
before the index takes its tag: what has the tag has them too, whenever a run ends.
"""

from builder.attest.make import Attestor
from builder.attest.verify import statements, verify

__all__ = ["Attestor", "statements", "verify"]
