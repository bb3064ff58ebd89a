"""Container images: Kolla templates and overlays, built per architecture, joined in one index."""
