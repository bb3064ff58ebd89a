"""Overlays: small folders that change Kolla's templates, composed into what one Kolla run takes."""
