"""Overlays: small folders that change Kolla's templates, composed for one run of Kolla."""
