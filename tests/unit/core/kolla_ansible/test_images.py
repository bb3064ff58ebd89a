"""Images that hosts pull, determined from a release's own roles."""

from __future__ import annotations

import pytest

from core.config.model import Architecture
from core.kolla_ansible.images import expand, host_images, images_for
from core.kolla_ansible.release_files import ReleaseFiles, parse_inventory
from core.kolla_ansible.templar import Templar, Undetermined, truth
from deploy.required_images import within_limit

ARM, X86 = Architecture.AARCH64, Architecture.X86_64


def test_a_host_pulls_what_is_enabled_and_mapped_to_it(small: ReleaseFiles) -> None:
    assert images_for(small, ["control"], {}, X86) == ("cron", "nova-api")
    assert images_for(small, ["compute"], {}, ARM) == ("cron", "nova-arm", "nova-libvirt")
    assert images_for(small, ["compute"], {}, X86) == ("cron", "nova-libvirt")
    assert images_for(small, ["network"], {}, X86) == ()


def test_variables_of_the_user_decide(small: ReleaseFiles) -> None:
    assert images_for(small, ["compute"], {"enable_nova": "no"}, ARM) == ("cron",)
    assert images_for(small, ["compute"], {"enable_extra": False}, X86) == ("cron",)


def test_ansible_tags_select_roles(small: ReleaseFiles) -> None:
    groups = expand(small.sample, {"compute": ["arm1"], "control": ["ctl1"]})
    variables = {"docker_registry": "r:5000", "docker_namespace": "k", "openstack_tag": "t"}
    uses = host_images(small, groups, "arm1", variables, ARM, tags=("cron",))
    assert [use.image for use in uses] == ["r:5000/k/cron:t"]
    assert not host_images(small, groups, "arm1", variables, ARM, skip_tags=("cron", "nova"))


def test_an_expression_that_needs_a_running_ansible_is_named(small: ReleaseFiles) -> None:
    with pytest.raises(Undetermined, match="somewhere"):
        images_for(small, ["compute"], {"enable_nova": "{{ somewhere }}"}, ARM)


def test_expansion_survives_a_circle() -> None:
    sample = parse_inventory("[a:children]\nb\n[b:children]\na\n[c]\nx\n")
    assert expand(sample, {"a": ["h"]})["b"] == ("h",)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ yes | bool }}", True),
        ("{{ number }}", 5),
        ("{{ number }} and {{ number }}", "5 and 5"),
        ("{{ chain }}", "end"),
        ("{{ listed | length > 1 }}", True),
        ("{{ nothing | default('x') }}", "x"),
        ("{{ partly.good }}", "fine"),
        ("plain", "plain"),
    ],
)
def test_values_as_ansible_gives_them(text: str, value: object) -> None:
    templar = Templar(
        {
            "yes": "yes",
            "number": 5,
            "chain": "{{ middle }}",
            "middle": "{{ 'end' }}",
            "listed": ["{{ chain }}", 2],
            "partly": {"good": "fine", "bad": "{{ nothing }}"},
        }
    )
    assert templar.value(text) == value


def test_variables_that_refer_to_each_other_in_a_circle() -> None:
    with pytest.raises(Undetermined):
        Templar({"a": "{{ b }}", "b": "{{ a }}"}).value("{{ a }}")


@pytest.mark.parametrize("value", ["yes", "True", "on", "1", 1, True])
def test_truth(value: object) -> None:
    assert truth(value)


@pytest.mark.parametrize("value", ["no", "false", "", "off", 0, None, False, "x"])
def test_untruth(value: object) -> None:
    assert not truth(value)


@pytest.mark.parametrize(
    ("limit", "hosts"),
    [
        (None, {"ctl1", "arm1"}),
        ("arm1", {"arm1"}),
        ("compute", {"arm1"}),
        ("all:!compute", {"ctl1"}),
        ("!arm1", {"ctl1"}),
        ("*1,&control", {"ctl1"}),
        ("nobody", set()),
        ("~.*", {"ctl1", "arm1"}),
    ],
)
def test_limits(limit: str | None, hosts: set[str]) -> None:
    groups = {"control": ("ctl1",), "compute": ("arm1",)}
    assert {host for host in ("ctl1", "arm1") if within_limit(limit, host, groups)} == hosts
