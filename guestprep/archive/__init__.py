"""apt archives read on the host: signature, indices and packages, every hash checked."""
