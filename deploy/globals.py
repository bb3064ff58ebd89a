"""globals.yml and globals.d: variables of the whole cloud.

kolla-ansible passes these files to Ansible as extra variables, which override those of
hosts and groups: nothing that may differ between hosts is ever written here.
"""

from __future__ import annotations

from pydantic import JsonValue

from core.kolla_ansible.release_files import ReleaseFiles
from deploy.inventory import yaml_document
from deploy.settings import Settings

#: The user's ``deploy.globals``; the number leaves room before and after for files of their own.
USER_FILE = "globals.d/50-kollarm-user.yml"

#: Variable of globals.yml -> the key of kollarm.yml that it comes from.
SOURCES = {
    "kolla_base_distro": "build.distro",
    "kolla_install_type": "deploy.install_type",
    "docker_registry": "registry.address",
    "docker_registry_insecure": "registry.insecure",
    "docker_namespace": "build.namespace",
    "openstack_tag": "build.tag",
    "openstack_release": "release",
    "kolla_internal_vip_address": "deploy.vips.internal",
    "kolla_external_vip_address": "deploy.vips.external",
    "kolla_internal_fqdn": "deploy.vips.internal_fqdn",
    "kolla_external_fqdn": "deploy.vips.external_fqdn",
    "kolla_external_vip_interface": "deploy.vips.external_interface",
    "node_custom_config": "deploy.custom_config",
}


def derived_globals(settings: Settings, tree: ReleaseFiles) -> dict[str, JsonValue]:
    """The variables that kollarm sets itself, from the other sections of kollarm.yml."""
    vips = settings.deploy.vips
    derived: dict[str, JsonValue | None] = {
        "kolla_base_distro": settings.distro,
        "docker_registry": settings.registry,
        "docker_registry_insecure": settings.registry_insecure,
        "docker_namespace": settings.namespace,
        "kolla_internal_vip_address": vips.internal,
        "kolla_external_vip_address": vips.external,
        "kolla_internal_fqdn": vips.internal_fqdn,
        "kolla_external_fqdn": vips.external_fqdn,
        "kolla_external_vip_interface": vips.external_interface,
    }
    if "kolla_install_type" in tree.defaults:
        derived["kolla_install_type"] = settings.deploy.install_type
    if "openstack_tag" in tree.defaults:
        # The whole tag, so that no suffix for an architecture can be added to it.
        derived["openstack_tag"] = settings.tag
    else:
        derived["openstack_release"] = settings.tag
    if settings.deploy.custom_config:
        derived["node_custom_config"] = str(settings.deploy.custom_config)
    elif "node_config" not in str(tree.defaults.get("node_custom_config", "")):
        # The release's default ignores --configdir.
        derived["node_custom_config"] = str(settings.config_dir / "config")
    if settings.release.transport_url_slash:
        # The release's 67 templates all write ``transport_url = {{ rpc_transport_url }}``
        # (or notify_…), so the variables are corrected instead of the templates.
        for name in ("rpc_transport_url", "notify_transport_url"):
            derived[name] = str(tree.defaults[name]).rstrip("/") + "/"
    return {name: value for name, value in derived.items() if value is not None}


def globals_files(settings: Settings, tree: ReleaseFiles) -> dict[str, str]:
    """globals.yml and, if the release loads globals.d, a file there with the user's variables."""
    own = dict(settings.deploy.globals)
    derived = derived_globals(settings, tree)
    if tree.has_globals_d:
        files = {"globals.yml": yaml_document(derived)}
        if own:
            files[USER_FILE] = yaml_document(own, "# From deploy.globals.\n")
        return files
    return {"globals.yml": yaml_document(derived | own)}


def effective_globals(settings: Settings, tree: ReleaseFiles) -> dict[str, JsonValue]:
    """Every variable that overrides a host's own."""
    return derived_globals(settings, tree) | dict(settings.deploy.globals)
