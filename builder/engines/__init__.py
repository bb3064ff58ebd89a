"""Container engines and buildx builders, and the protocol that both implement."""
