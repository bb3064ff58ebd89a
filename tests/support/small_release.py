"""A kolla-ansible in small, with every construct that the readers meet in real ones."""

from __future__ import annotations

from pathlib import Path

import yaml

from core.kolla_ansible.release_files import ReleaseFiles

MULTINODE = """
# a comment
[control]
control01   # and one here

[network]
network01

[compute]
compute01

[deployment]
localhost       ansible_connection=local

[baremetal:children]
control
compute

[cron:children]
control
compute

[nova:children]
control

[nova-api:children]
nova

[nova:vars]
ignored=yes
"""

FILES = {
    "ansible/inventory/multinode": MULTINODE,
    "ansible/group_vars/all/common.yml": {
        "docker_registry": "quay.io",
        "docker_namespace": "openstack.kolla",
        "docker_image_url": "{{ docker_registry ~ '/' if docker_registry else '' }}"
        "{{ docker_namespace }}/",
        "openstack_release": "2026.1",
        "openstack_tag": "{{ openstack_release }}{{ openstack_tag_suffix }}",
        "openstack_tag_suffix": "",
        "node_config": "{{ CONFIG_DIR }}",
        "node_custom_config": "{{ node_config }}/config",
        "network_interface": "eth0",
        "tunnel_interface": "{{ network_interface }}",
        "enable_nova": True,
        "enable_extra": "{{ enable_nova | bool }}",
        "enable_fluentd": "yes",
    },
    "ansible/site.yml": [
        {
            "hosts": "all",
            "tasks": [
                {
                    "group_by": {"key": "{{ item }}"},
                    "with_items": ["enable_nova_{{ enable_nova | bool }}"],
                }
            ],
        },
        {"hosts": ["cron"], "tags": ["cron"], "roles": [{"role": "cron"}]},
        {"import_playbook": "nova.yml"},
    ],
    "ansible/nova.yml": [
        {
            "hosts": ["nova-api", "compute", "&enable_nova_True"],
            "roles": [{"role": "nova", "when": "enable_nova | bool", "tags": "nova"}],
        }
    ],
    "ansible/roles/cron/defaults/main.yml": {
        "project_name": "cron",
        "cron_services": {
            "cron": {"group": "cron", "enabled": True, "image": "{{ cron_image_full }}"}
        },
        "cron_image_full": "{{ docker_image_url }}cron:{{ openstack_tag }}",
    },
    "ansible/roles/cron/tasks/pull.yml": [{"import_role": {"role": "service-images-pull"}}],
    "ansible/roles/nova/defaults/main.yml": {
        "project_name": "nova",
        "nova_libvirt_cpu_mode": "{{ 'host-passthrough' if architecture == 'aarch64' }}",
        "nova_services": {
            "nova-api": {
                "group": "nova-api",
                "enabled": True,
                "image": "{{ docker_image_url }}nova-api:{{ openstack_tag }}",
            },
            "nova-libvirt": {
                "group": "compute",
                "enabled": "{{ enable_extra }}",
                "image": "{{ docker_image_url }}nova-libvirt:{{ openstack_tag }}",
            },
            "nova-arm": {
                "host_in_groups": "{{ inventory_hostname in groups['compute'] "
                "and ansible_facts.architecture == 'aarch64' }}",
                "enabled": "yes",
                "image": "{{ docker_image_url }}nova-arm:{{ openstack_tag }}",
            },
            "nova-off": {"group": "compute", "enabled": "no", "image": "{{ undefined }}"},
        },
    },
    "ansible/roles/nova/tasks/pull.yml": [
        {"ansible.builtin.import_role": {"role": "service-images-pull"}}
    ],
    "etc_examples/kolla/passwords.yml": {
        "keystone_admin_password": None,
        "docker_registry_password": None,
        "nova_database_password": None,
    },
}  # fmt: skip


def write(root: Path) -> ReleaseFiles:
    """Write the release below a folder."""
    for name, content in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return ReleaseFiles(root)
