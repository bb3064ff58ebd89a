"""globals.yml and globals.d: what holds for the whole cloud.

These files go to Ansible as extra variables and so beat every host's and
group's: nothing that may differ between hosts is ever written here.
"""

from __future__ import annotations

from pydantic import JsonValue

from core.kolla_ansible.release_files import ReleaseFiles
from deploy.inventory import document
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


def derived_globals(given: Settings, tree: ReleaseFiles) -> dict[str, JsonValue]:
    """The variables that the configuration's other sections stand for."""
    vips = given.deploy.vips
    found: dict[str, JsonValue | None] = {
        "kolla_base_distro": given.distro,
        "docker_registry": given.registry,
        "docker_registry_insecure": given.registry_insecure,
        "docker_namespace": given.namespace,
        "kolla_internal_vip_address": vips.internal,
        "kolla_external_vip_address": vips.external,
        "kolla_internal_fqdn": vips.internal_fqdn,
        "kolla_external_fqdn": vips.external_fqdn,
        "kolla_external_vip_interface": vips.external_interface,
    }
    if "kolla_install_type" in tree.defaults:
        found["kolla_install_type"] = given.deploy.install_type
    if "openstack_tag" in tree.defaults:
        # The tag itself, not its parts: no suffix for an architecture can get in.
        found["openstack_tag"] = given.tag
    else:
        found["openstack_release"] = given.tag
    if given.deploy.custom_config:
        found["node_custom_config"] = str(given.deploy.custom_config)
    elif "node_config" not in str(tree.defaults.get("node_custom_config", "")):
        # The release's default doesn't follow --configdir.
        found["node_custom_config"] = str(given.config_dir / "config")
    if given.release.transport_url_slash:
        # One line for each of the two instead of 67 templates: all of them
        # write ``transport_url = {{ rpc_transport_url }}`` (or notify_…).
        for name in ("rpc_transport_url", "notify_transport_url"):
            found[name] = str(tree.defaults[name]).rstrip("/") + "/"
    return {name: value for name, value in found.items() if value is not None}


def globals_files(given: Settings, tree: ReleaseFiles) -> dict[str, str]:
    """globals.yml and, where the release loads it, the user's part in globals.d."""
    own = dict(given.deploy.globals)
    derived = derived_globals(given, tree)
    if tree.has_globals_d:
        files = {"globals.yml": document(derived)}
        if own:
            files[USER_FILE] = document(own, "# From deploy.globals.\n")
        return files
    return {"globals.yml": document(derived | own)}


def effective_globals(given: Settings, tree: ReleaseFiles) -> dict[str, JsonValue]:
    """Every variable that beats a host's own."""
    return derived_globals(given, tree) | dict(given.deploy.globals)
