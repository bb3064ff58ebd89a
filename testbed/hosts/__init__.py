"""Hosts for a cloud, as containers with systemd: what kolla-ansible finds is Debian 13 with ssh."""
