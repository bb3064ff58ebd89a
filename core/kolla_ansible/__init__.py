"""The files of a kolla-ansible release: read as data, evaluated without Ansible, installed."""
