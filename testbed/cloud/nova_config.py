"""The configuration files of the small cloud's Nova, Placement and libvirt, as text.

The options are documented at https://docs.openstack.org/nova/latest/configuration/config.html
and https://docs.openstack.org/placement/latest/configuration/config.html.
"""

from __future__ import annotations

from pathlib import Path

from kollarm.services import passwords
from kollarm.services.glance_files import SERVICE, ini
from testbed.cloud import unprivileged
from testbed.cloud.layout import ARM_HOST, HOST, X86_HOST, CloudLayout, ComputeHost

#: The databases: Nova's own three, and Placement's.
DATABASES = ("nova_api", "nova_cell0", "nova", "placement")

#: The services' user in the message queue.
QUEUE_USER = "nova"

#: Debian's user for guests.
GUEST_USER = 64055

#: Where a host's libvirtd and QEMU find the certificates of its guests' VNC servers.
VNC_CERTIFICATES = Path("/etc/libvirt/vnc")

_REGION = "RegionOne"


def connection(layout: CloudLayout, database: str) -> str:
    """A database's URL, in SQLAlchemy's form."""
    password = layout.password("database")
    return f"mysql+pymysql://nova:{password}@{HOST}:{layout.database_port}/{database}?charset=utf8"


def transport(layout: CloudLayout) -> str:
    """The message queue's URL."""
    return f"rabbit://{QUEUE_USER}:{layout.password('queue')}@{HOST}:{layout.rabbit_port}/"


def nova(layout: CloudLayout, tools: Path, novnc: Path) -> dict[str, str]:
    """Nova's configuration files, by name.

    :param tools: Nova's virtual environment.
    :param novnc: the folder of noVNC's pages.
    """
    folder = layout.service_folder("nova")
    main: dict[str, dict[str, object]] = {
        "DEFAULT": {
            "my_ip": HOST,
            "state_path": folder / "state",
            "transport_url": transport(layout),
            # Converting would take minutes, and QEMU can use qcow2 directly.
            "force_raw_images": False,
            # There is one host of each architecture.
            "allow_resize_to_same_host": True,
            "web": novnc,
            # On a busy machine, deleting an instance can take long.
            "rpc_response_timeout": 180,
        },
        "api_database": {"connection": connection(layout, "nova_api")},
        "database": {"connection": connection(layout, "nova")},
        "oslo_concurrency": {"lock_path": folder / "lock"},
        "keystone_authtoken": _identity(layout),
        "placement": _identity(layout) | {"region_name": _REGION},
        "service_user": _identity(layout) | {"send_service_user_token": True},
        "neutron": _identity(layout) | {"region_name": _REGION},
        "glance": {
            "api_servers": layout.url(layout.glance_port),
            "verify_glance_signatures": layout.signatures,
        },
        # Of the service's own folder, as there is no Barbican.
        "key_manager": {"backend": "kollarm_certificates.CertificateFolder"},
        "serial_console": {
            "enabled": layout.serial,
            "base_url": f"ws://{HOST}:{layout.serial_port}/",
            "proxyclient_address": HOST,
            "serialproxy_host": HOST,
            "serialproxy_port": layout.serial_port,
        },
        "cinder": {"catalog_info": "volumev3::publicURL"},
        "conductor": {"workers": 1},
        "scheduler": {"workers": 1},
        "filter_scheduler": {
            # ImagePropertiesFilter keeps ARM images off x86 hosts.
            "enabled_filters": "ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter",
        },
        "vnc": {
            "enabled": True,
            "server_listen": HOST,
            "server_proxyclient_address": HOST,
            "novncproxy_host": HOST,
            "novncproxy_port": layout.proxy_port,
            "novncproxy_base_url": f"{layout.url(layout.proxy_port)}/vnc_lite.html",
            "auth_schemes": "vencrypt",
            "vencrypt_ca_certs": layout.certificates / "ca-cert.pem",
            "vencrypt_client_cert": layout.certificates / "client-cert.pem",
            "vencrypt_client_key": layout.certificates / "client-key.pem",
        },
        "libvirt": {
            "virt_type": "qemu",
            # Guests are for tests: speed matters more than their data.
            "disk_cachemodes": "file=unsafe",
            # Don't modify the guests' disks.
            "inject_partition": -2,
            # Reboot hard at once: emulated guests are slow to shut down.
            "wait_soft_reboot_seconds": 0,
        },
        **{
            section: {
                "helper_command": f"{tools}/bin/privsep-helper --config-file {folder}/nova.conf"
            }
            for section in (
                "privsep",
                "nova_sys_admin",
                "vif_plug_ovs_privileged",
                "privsep_osbrick",
            )
        },
    }
    # Nova reads its WSGI pipeline from the folder of its configuration.
    paste = (tools / "etc" / "nova" / "api-paste.ini").read_text()
    hosts = {f"{host.name}.conf": ini(_host(layout, host)) for host in (ARM_HOST, X86_HOST)}
    return {"nova.conf": ini(main), "api-paste.ini": paste, **hosts}


def _host(layout: CloudLayout, host: ComputeHost) -> dict[str, dict[str, object]]:
    """The options of one compute host that differ from nova.conf."""
    return {
        "DEFAULT": {
            "host": host.name,
            # Where QEMU's user, too, can reach the instances.
            "state_path": unprivileged.MOUNTED,
            "compute_driver": f"kollarm_hosts.{host.driver}",
        },
        "libvirt": {"connection_uri": layout.libvirt_uri(host)},
    }


def placement(layout: CloudLayout) -> dict[str, str]:
    """Placement's configuration files, by name."""
    sections: dict[str, dict[str, object]] = {
        "DEFAULT": {"state_path": layout.service_folder("placement")},
        "placement_database": {"connection": connection(layout, "placement")},
        "api": {"auth_strategy": "keystone"},
        "keystone_authtoken": _identity(layout),
    }
    return {"placement.conf": ini(sections)}


def libvirt(layout: CloudLayout, host: ComputeHost) -> dict[str, str]:
    """The configuration files of a host's libvirtd, by name."""
    run = layout.service_folder(host.libvirt) / "run"
    return {
        # Whoever may connect is root: the socket's mode is all that keeps others out.
        "libvirtd.conf": f'unix_sock_dir = "{run}"\n'
        'unix_sock_rw_perms = "0700"\nunix_sock_ro_perms = "0700"\n'
        'auth_unix_rw = "none"\nauth_unix_ro = "none"\n',
        "qemu.conf": "\n".join(
            [
                f'user = "+{GUEST_USER}"',
                f'group = "+{GUEST_USER}"',
                "remember_owner = 0",
                # Only who has the console proxy's certificate sees and types into a guest.
                "vnc_tls = 1",
                "vnc_tls_x509_verify = 1",
                f'vnc_tls_x509_cert_dir = "{VNC_CERTIFICATES}"',
                # Confining guests would depend on how the machine is set up.
                'security_driver = "none"',
                "namespaces = []",
                "cgroup_controllers = []",
                # The two hosts' libvirtds must not use the same ports.
                f"remote_display_port_min = {host.first_display}",
                f"remote_display_port_max = {host.first_display + 99}",
                # There is no virtlogd; libvirtd writes the serial console's log itself.
                'stdio_handler = "file"',
                "",
            ]
        ),
    }


def _identity(layout: CloudLayout) -> dict[str, object]:
    """The credentials of a service; all services use the same user."""
    url = layout.url(layout.keystone_port)
    return {
        "www_authenticate_uri": url,
        "auth_url": url,
        "auth_type": "password",
        "username": SERVICE,
        "password": passwords.password(layout.service_folder("keystone"), SERVICE),
        "project_name": "service",
        "user_domain_id": "default",
        "project_domain_id": "default",
    }
