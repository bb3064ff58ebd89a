"""A kolla-ansible release's own files."""
