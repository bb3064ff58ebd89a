"""Which images profiles come to, against kolla-ansible's own role lists and Kolla's trees."""

from __future__ import annotations

import json

import pytest

from builder.image_list import list_images
from builder.kolla import profiles
from builder.plan import select
from builder.rendering import render_all
from builder.request import BuildRequest
from core.config.model import Architecture, Build, Config, Distro, Profile

pytestmark = pytest.mark.integration

X86, ARM = Architecture.X86_64, Architecture.AARCH64

CONTROL = [Profile.CONTROL, Profile.NETWORK, Profile.STORAGE, Profile.MONITORING]

#: What hosts of a cloud with the default services really pulled, 2026.1.
COMPUTE = {
    "openvswitch": "cron fluentd kolla-toolbox neutron-openvswitch-agent nova-compute "
    "nova-libvirt nova-ssh openvswitch-db-server openvswitch-vswitchd",
    "ovn": "cron fluentd kolla-toolbox neutron-metadata-agent nova-compute nova-libvirt "
    "nova-ssh openvswitch-db-server openvswitch-vswitchd ovn-controller",
}


def config(release: str, agent: str = "openvswitch", distro: Distro = Distro.UBUNTU) -> Config:
    return Config(
        release=release,
        build=Build(
            distro=distro,
            profiles={X86: CONTROL, ARM: [Profile.COMPUTE]},
            services={"neutron_plugin_agent": agent},
        ),
    )


@pytest.mark.parametrize("agent", COMPUTE)
def test_an_arm_compute_node_needs_ten_images_at_most(agent: str) -> None:
    wanted = profiles.wanted(config("2026.1", agent), [X86, ARM])
    assert wanted[ARM] == COMPUTE[agent].split()
    assert {"nova-api", "neutron-server", "mariadb-server", "proxysql"} <= set(wanted[X86])
    assert "nova-compute" not in wanted[X86]
    assert ("ovn-northd" in wanted[X86]) == (agent == "ovn")


def test_images_are_listed_without_an_engine() -> None:
    found = list_images(BuildRequest(config("2026.1")))
    images = {image.name: image for image in found.images}
    assert images["nova-compute"].architectures == (ARM,)
    assert images["base"].architectures == (X86, ARM)
    assert images["base"].parent is None and images["cron"].parent == "base"
    assert images["cron"].repository == "kolla/cron"
    places = {image.name: place for place, image in enumerate(found.images)}
    assert all(places[image.parent] < places[image.name] for image in found.images if image.parent)
    assert "nova-compute" in found.to_text()
    assert json.loads(json.dumps(found.to_dict()))["images"][0]["name"] == "base"


def test_switched_off_services_are_not_built() -> None:
    plain = config("2026.1")
    services = {"enable_heat": False, "enable_fluentd": False}
    without = plain.model_copy(
        update={"build": plain.build.model_copy(update={"services": services})}
    )
    lost = set(profiles.wanted(plain, [X86])[X86]) - set(profiles.wanted(without, [X86])[X86])
    assert lost == {"heat-api", "heat-api-cfn", "heat-engine", "fluentd"}


@pytest.mark.parametrize(
    "release",
    [
        "rocky",
        pytest.param("2024.1", marks=pytest.mark.full),
        pytest.param("2025.1", marks=pytest.mark.full),
        "2026.1",
        pytest.param("2026.2", marks=pytest.mark.full),
    ],
)
@pytest.mark.parametrize("agent", COMPUTE)
def test_every_image_that_hosts_pull_is_one_that_kolla_builds(release: str, agent: str) -> None:
    made = config(release, agent)
    trees = render_all(made, [], [X86, ARM])
    chosen, left_out = select(trees, profiles.wanted(made, [X86, ARM]))
    assert left_out == []
    assert chosen[ARM][0] == "base" and "nova-compute" in chosen[ARM]
    if release == "rocky":
        assert "fluentd" not in chosen[ARM] and "fluentd" in chosen[X86]


def test_names_in_the_registry_are_those_kolla_ansible_pulls() -> None:
    """Up to Xena with the distribution and the kind in front, later without."""
    for release, name in (("rocky", "ubuntu-source-nova-compute"), ("2026.1", "nova-compute")):
        tree = render_all(config(release), [], [ARM])[ARM]
        assert tree.images["nova-compute"].published == name


def test_what_a_release_cannot_build_is_left_out_with_a_note() -> None:
    made = config("2026.1", distro=Distro.DEBIAN)
    trees = render_all(made, [], [X86, ARM])
    chosen, left_out = select(trees, {X86: ["bifrost.*", "cron"], ARM: ["bifrost.*", "cron"]})
    assert chosen[X86][-1] == "cron" and "bifrost-base" in chosen[X86]
    assert "bifrost-base" not in chosen[ARM] and chosen[ARM] == ["base", "cron"]
    assert any("bifrost-base" in line for line in left_out)
