"""The ARM host: its seed for cloud-init, its network cables, its process."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

from core.run import run
from testbed.hosts.arm import (
    ArmHost,
    ArmNetwork,
    name_servers,
    network_config,
    user_data,
    write_seed,
)

NETWORK = ArmNetwork(("br-a", "br-b"), "10.0.0.253/24", "10.0.0.1", ("api0", "ext0"))


def seed_of(host: ArmHost) -> dict[str, object]:
    return user_data(
        host.name,
        public_key="ssh-ed25519 AAAA me",
        host_key=("private", "public"),
        programs={"/usr/local/bin/tool": "#!/bin/sh\n"},
        authorities=[],
        name_servers=["10.0.0.53"],
    )


def test_cloud_init_can_read_the_seed(tmp_path: Path) -> None:
    host, seed = ArmHost("cmp2", tmp_path), tmp_path / "seed.img"
    write_seed(seed, host.name, seed_of(host), network_config(NETWORK, host.macs))

    def read(name: str) -> str:
        return run(["mtype", "-i", seed, f"::{name}"]).stdout

    assert run(["mlabel", "-i", seed, "-s", "::"]).stdout.split()[-1] == "CIDATA"
    assert yaml.safe_load(read("meta-data"))["local-hostname"] == "cmp2"
    assert read("user-data").startswith("#cloud-config\n")
    (user,) = yaml.safe_load(read("user-data"))["users"]
    assert user["name"] == "kolla" and "NOPASSWD" in user["sudo"]
    ethernets = yaml.safe_load(read("network-config"))["ethernets"]
    assert ethernets["api0"]["addresses"] == ["10.0.0.253/24"]
    assert "addresses" not in ethernets["ext0"]


def test_two_hosts_have_cables_of_their_own(tmp_path: Path) -> None:
    one, other = ArmHost("a", tmp_path / "a"), ArmHost("b", tmp_path / "b")
    cables = {*one.taps, *other.taps}
    assert len(cables) == 4 and max(map(len, cables)) <= 15
    assert len({*one.macs, *other.macs}) == 4
    # locally administered, and one station's
    assert all(int(mac[:2], 16) & 3 == 2 for mac in (*one.macs, *other.macs))


def test_another_process_is_not_taken_for_the_host(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        (tmp_path / "pid").write_text(f"{process.pid}\n")
        assert not ArmHost("a", tmp_path).running
        ArmHost("a", tmp_path).stop()
        assert process.poll() is None
        process.kill()


def test_the_machine_has_both_networks(tmp_path: Path) -> None:
    host = ArmHost("a", tmp_path)
    words = " ".join(map(str, host.command(Path("/firmware.fd"), "tcg")))
    assert all(f"ifname={tap}" in words for tap in host.taps)


def test_name_servers_are_those_of_this_machine() -> None:
    assert name_servers("# a\nsearch x\nnameserver 10.0.0.1\nnameserver\n") == ["10.0.0.1"]
