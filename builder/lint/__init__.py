"""Checks of overlays against a release's templates."""
