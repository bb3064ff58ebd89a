"""The small cloud: ports, configuration files, and the responses of its network."""

from __future__ import annotations

import configparser
import dataclasses
import stat
import subprocess
from pathlib import Path

import pytest

from core.errors import ConfigError
from testbed.cloud import __main__, certificates, lifecycle, network, nova_config
from testbed.cloud.layout import ARM_HOST, HOST, PORTS, X86_HOST, CloudLayout


@pytest.fixture
def layout(tmp_path: Path) -> CloudLayout:
    return CloudLayout(tmp_path, 20000)


def parsed(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return parser


def test_no_two_services_share_a_port(layout: CloudLayout) -> None:
    ports = [
        layout.keystone_port,
        layout.glance_port,
        layout.compute_port,
        layout.placement_port,
        layout.network_port,
        layout.proxy_port,
        layout.database_port,
        layout.rabbit_port,
        layout.rabbit_port + 1,
        layout.rabbit_port + 2,
        layout.serial_port,
    ]
    assert sorted(ports) == list(range(20000, 20000 + PORTS))


def test_the_two_hosts_are_of_different_kinds(layout: CloudLayout, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    (tools / "etc" / "nova").mkdir(parents=True)
    (tools / "etc" / "nova" / "api-paste.ini").write_text("[composite:osapi_compute]\n")
    files = nova_config.nova(layout, tools, tmp_path / "novnc")
    main = parsed(files["nova.conf"])
    arm, x86 = (parsed(files[f"{host.name}.conf"]) for host in (ARM_HOST, X86_HOST))
    for section, option in (
        ("DEFAULT", "host"),
        ("DEFAULT", "compute_driver"),
        ("libvirt", "connection_uri"),
    ):
        assert arm[section][option] != x86[section][option]
    assert layout.instances(ARM_HOST) != layout.instances(X86_HOST)
    assert "ImagePropertiesFilter" in main["filter_scheduler"]["enabled_filters"]
    # Everything listens on loopback alone.
    for option in ("server_listen", "novncproxy_host"):
        assert main["vnc"][option] == HOST


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/v2.0/security-groups?fields=id", "security_groups"),
        ("/v2.0/ports?device_id=1", "ports"),
        ("/v2.0/extensions.json", "extensions"),
    ],
)
def test_every_list_of_the_network_is_empty(path: str, key: str) -> None:
    assert network.answer(path) == (200, {key: []})


def test_the_network_has_nothing_else() -> None:
    assert network.answer("/")[0] == 200
    assert network.answer("/v3/networks")[0] == 404


def test_in_a_new_folder_no_service_is_running(layout: CloudLayout) -> None:
    services = lifecycle.status(dataclasses.replace(layout, x86_host=True, serial=True))
    assert {service.name for service in services} == {
        name for tier in lifecycle.TIERS for name in tier
    }
    assert {X86_HOST.compute, X86_HOST.libvirt, "nova-serialproxy"}.isdisjoint(
        service.name for service in lifecycle.status(layout)
    )
    assert all(service.pid is None for service in services)


def test_each_cloud_has_passwords_of_its_own(tmp_path: Path) -> None:
    clouds = [CloudLayout(tmp_path / name, 20000) for name in ("one", "other")]
    found = {cloud.password(user) for cloud in clouds for user in ("database", "queue", "erlang")}
    assert len(found) == 6 and all(len(password) >= 32 for password in found)
    assert clouds[0].password("queue") == clouds[0].password("queue")
    for path in tmp_path.rglob("*.password"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_only_the_clouds_owner_reaches_its_libvirt(layout: CloudLayout) -> None:
    contents = nova_config.libvirt(layout, ARM_HOST)
    for option in ("unix_sock_rw_perms", "unix_sock_ro_perms"):
        assert f'{option} = "0700"' in contents["libvirtd.conf"]
    lines = contents["qemu.conf"].splitlines()
    assert "vnc_tls_x509_verify = 1" in lines
    assert not [line for line in lines if line.startswith(("user", "group")) and "root" in line]


def test_the_consoles_certificates_are_of_one_authority(tmp_path: Path) -> None:
    folder = certificates.make(tmp_path / "certificates")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for name, purpose in (("server", "sslserver"), ("client", "sslclient")):
        subprocess.run(
            ["openssl", "verify", "-purpose", purpose,
             "-CAfile", folder / "ca-cert.pem", folder / f"{name}-cert.pem"],
            check=True, capture_output=True,
        )  # fmt: skip
        assert stat.S_IMODE((folder / f"{name}-key.pem").stat().st_mode) == 0o600
    certificates.make(folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_clouds_folder_becomes_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "cloud"
    folder.mkdir(mode=0o755)
    __main__.claim(folder)
    __main__.claim(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(("name", "word"), [("settings.json", "older"), ("letter.txt", "else")])
def test_a_folder_with_other_things_is_refused(tmp_path: Path, name: str, word: str) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / name).write_text("{}")
    with pytest.raises(ConfigError, match=word):
        __main__.claim(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
