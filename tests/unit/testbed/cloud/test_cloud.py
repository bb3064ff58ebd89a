"""The small cloud: ports, configuration files, and the responses of its network."""

from __future__ import annotations

import configparser
import dataclasses
from pathlib import Path

import pytest

from testbed.cloud import lifecycle, network, nova_config
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
        ("DEFAULT", "state_path"),
        ("DEFAULT", "compute_driver"),
        ("libvirt", "connection_uri"),
    ):
        assert arm[section][option] != x86[section][option]
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
    services = lifecycle.status(dataclasses.replace(layout, x86_host=True))
    assert {service.name for service in services} == {
        name for tier in lifecycle.TIERS for name in tier
    }
    assert {X86_HOST.compute, X86_HOST.libvirt}.isdisjoint(
        service.name for service in lifecycle.status(layout)
    )
    assert all(service.pid is None for service in services)
