"""The configuration file: strict, and every fault at once with its place and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from core.config.load import DEFAULT_NAME, load, parse
from core.config.model import Architecture, Config
from core.config.schema import json_schema
from core.errors import ConfigError
from core.paths import project_dir
from core.yaml_faults import dotted

FILE = Path("/somewhere") / DEFAULT_NAME


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, FILE)
    assert caught.value.exit_status == 2
    return [str(fault) for fault in caught.value.faults]


def test_an_empty_file_is_a_whole_configuration() -> None:
    config = parse("", FILE)
    assert config.release == "2026.1"
    assert set(config.build.engines) == set(Architecture)


def test_every_example_is_sound() -> None:
    examples = sorted((project_dir() / "examples").glob("*.yml"))
    assert project_dir() / "examples" / "quickstart.yml" in examples
    for example in examples:
        load(example)


def test_relative_paths_are_taken_from_the_files_folder() -> None:
    config = parse(
        """
        state_dir: state
        build:
          kolla: {git: kolla, ref: master}
          sources: {a: {git: "host:a"}, b: {path: ~/b}}
        guests:
          - name: g
            source: {path: images/g.img, sha256sums: images/SHA256SUMS}
            archives: [{uri: "file:archive", suite: s, keyring: /k.gpg}]
        """,
        FILE,
    )
    guest = config.guests[0]
    assert config.state_dir == Path("/somewhere/state")
    assert guest.source.path == Path("/somewhere/images/g.img")
    assert guest.source.sha256sums == "/somewhere/images/SHA256SUMS"
    assert guest.archives[0].uri == "file:/somewhere/archive"
    assert guest.archives[0].keyring == Path("/k.gpg")
    assert config.build.kolla is not None and config.build.kolla.git == "/somewhere/kolla"
    assert config.build.sources["a"].git == "host:a"
    assert config.build.sources["b"].path == Path.home() / "b"


def test_defaults_too() -> None:
    config = parse("", FILE)
    assert config.state_dir == Path("/somewhere/.kollarm")
    assert config.overlay_dirs == [
        Path("/somewhere/dockerfile_overlays"),
        project_dir() / "dockerfile_overlays",
    ]
    assert parse("build: {overlay_dir: mine}", FILE).overlay_dirs[0] == Path("/somewhere/mine")


def sections(model: type[BaseModel]) -> set[type[BaseModel]]:
    """A model and those that its fields are made of."""
    found: set[type[BaseModel]] = set()
    waiting: list[Any] = [model]
    while waiting:
        one = waiting.pop()
        if isinstance(one, type) and issubclass(one, BaseModel):
            if one not in found:
                found.add(one)
                waiting += [field.annotation for field in one.model_fields.values()]
        else:
            waiting += [part for part in get_args(one) if not isinstance(part, str)]
    return found


FIELDS = sorted(
    (f"{section.__name__}.{name}", field)
    for section in sections(Config)
    for name, field in section.model_fields.items()
)


def test_every_key_is_described() -> None:
    """By the docstring below it, which reaches the JSON schema."""
    schema = json_schema()
    described = {
        f"{section}.{name}"
        for section, model in {"Config": schema, **schema["$defs"]}.items()
        for name, value in model.get("properties", {}).items()
        if value.get("description")
    }
    assert described == {name for name, _ in FIELDS}


@pytest.mark.parametrize("field", [field for _, field in FIELDS], ids=[name for name, _ in FIELDS])
def test_every_path_is_resolved(field: FieldInfo) -> None:
    """A plain ``Path`` would be taken from the working directory."""
    parts = [field.annotation, *get_args(field.annotation)]
    resolved = field.metadata or any(get_args(part)[:1] == (Path,) for part in parts)
    assert Path not in parts or resolved


def places(found: list[str]) -> set[str]:
    """The line and the key of each fault."""
    return {": ".join(fault.removeprefix(f"{FILE}:").split(": ")[:2]) for fault in found}


def test_faults_of_every_kind_are_reported_together() -> None:
    found = faults(
        """\
release: 2026.1
build:
  distro: debain
  images: [base, base]
  namspace: x
guests:
  - name: g
    source: {}
    consoles: [tty1, ttyAMA0]
"""
    )
    assert places(found) == {
        "1: release",
        "3: build.distro",
        "4: build.images[1]",
        "5: build.namspace",
        "8: guests[0].source",
        "9: guests[0].consoles",
    }
    assert all(fault.endswith(")") for fault in found), "each has a hint"
    for key_word in ('"2026.1"', "'debian'", "twice", "'namespace'", "exactly one", "tty1"):
        assert any(key_word in fault for fault in found), key_word


def test_an_architecture_by_its_debian_name_is_explained() -> None:
    [fault] = faults("build: {engines: {arm64: {url: local}}}")
    assert "unknown value 'arm64'" in fault and "did you mean 'aarch64'?" in fault


def test_a_key_written_twice_is_a_fault() -> None:
    [fault] = faults("build:\n  namespace: a\n  namespace: b\n")
    assert "build.namespace" in fault and "written twice" in fault


def test_what_a_wrong_guest_hides_is_not_reported_of_another() -> None:
    found = faults("guests: [3, {name: g, source: {path: x, sha256: " + "a" * 64 + "}}]")
    assert len(found) == 1 and "guests[0]" in found[0]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: [", "not valid YAML"),
        ("- a", "must hold a mapping"),
        ("just words", "must hold a mapping"),
    ],
)
def test_what_is_no_mapping_is_refused(text: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        parse(text, FILE)


def test_a_missing_file_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "nothing.yml")
    assert caught.value.hint is not None and "--config" in caught.value.hint


def test_positions_read_as_people_write_them() -> None:
    assert dotted(("guests", 0, "source", "path")) == "guests[0].source.path"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*Config.model_fields, "name", "source", "path", "url", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*Config.model_fields, "odd"]), values, max_size=4))
def test_any_mapping_is_read_or_refused_with_places(data: dict[str, object]) -> None:
    text = yaml.safe_dump(data)
    try:
        config = parse(text, FILE)
    except ConfigError as error:
        assert error.faults
        assert all(fault.where.startswith(str(FILE)) for fault in error.faults)
    else:
        assert isinstance(config, Config)


def test_a_release_of_the_catalogue_needs_no_list_of_its_own() -> None:
    (guest,) = parse("guests: [{name: g, source: {image: debian-13-generic}}]", FILE).guests
    assert guest.source.image == "debian-13-generic"
    found = faults(
        "guests:\n"
        "- {name: a, source: {image: debian-13-generic, sha256sums: x}}\n"
        "- {name: b, source: {path: x, sha256sums: y, mirror: 'http://m.example'}}\n"
    )
    assert places(found) == {"2: guests[0].source.sha256sums", "3: guests[1].source.mirror"}


def test_further_settings_of_a_guest() -> None:
    (guest,) = parse(
        """
        guests:
          - name: g
            source: {image: ubuntu-24.04}
            packages: [htop]
            guest_agent: true
            files: [{source: motd, path: /etc/motd}]
            timezone: Europe/Berlin
            size: 20G
        """,
        FILE,
    ).guests
    assert guest.files[0].source == Path("/somewhere/motd")
    found = faults(
        """
        guests:
          - name: g
            source: {image: ubuntu-24.04}
            files: [{source: a, path: /x}, {source: b, path: /x}]
            size: 20 gigabytes
        """
    )
    assert any("'20 gigabytes'" in fault for fault in found)
    assert any("/x" in fault for fault in found)


def test_what_contradicts_itself_in_the_build_section() -> None:
    found = faults(
        """\
build:
  images: [base]
  services: {enable_heat: false}
  sources:
    nova-base: {pypi: nova==1, url: "https://x"}
    neutron-base: {}
    keystone-base: {path: x, sha256: %s, reference: y}
    "*-plugin-*": {enabled: false}
    glance-base: {pypi: "glance>=1"}
  engines:
    x86_64: {url: local, tls: certificates}
  kolla: {git: x}
"""
        % ("a" * 64)
    )
    assert {place.partition(": ")[2] for place in places(found)} == {
        "build.sources.glance-base.pypi",
        "build.kolla.ref",
        "build.sources.nova-base",
        "build.sources.neutron-base",
        "build.sources.keystone-base.sha256",
        "build.sources.keystone-base.reference",
        "build.services",
        "build.engines.x86_64.tls",
    }


def test_what_guests_of_x86_do_not_get_is_refused() -> None:
    text = "guests: [{name: g, source: {image: x}, architecture: x86_64, KEYS}]"
    (guest,) = parse(text.replace("KEYS", "timezone: Etc/UTC"), FILE).guests
    assert guest.consoles[0].startswith("ttyS0")
    found = faults(text.replace("KEYS", "boot: result, kernel: linux-image-amd64"))
    assert places(found) == {"1: guests[0].boot", "1: guests[0].kernel"}


def test_profiles_are_for_architectures_that_are_built() -> None:
    [fault] = faults("build: {profiles: {aarch64: [compute]}, engines: {x86_64: {url: local}}}")
    assert places([fault]) == {"1: build.profiles.aarch64"} and "engine" in fault
    [unknown] = faults("build: {profiles: {aarch64: [computer]}}")
    assert "did you mean 'compute'?" in unknown


@pytest.mark.parametrize(
    ("address", "remedy"),
    [
        ("ghcr.io/MyOrg", "myorg"),
        ("https://registry.example.org/", "write registry.example.org"),
        ("http://registry.example.org:5000/a/b", "a/b"),
        ("registry", "dot or a port"),
        ("registry.example.org:", "dot or a port"),
        ("registry.example.org:http", "dot or a port"),
        ("reg istry.example.org", "dot or a port"),
        ("user@registry.example.org", "dot or a port"),
        ("", "dot or a port"),
    ],
)
def test_a_registrys_address_is_a_host(address: str, remedy: str) -> None:
    text = yaml.safe_dump({"registry": {"address": address}})
    [fault] = faults(text)
    assert "registry.address" in fault and remedy in fault


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:5055", "localhost", "localhost:5000", "reg:5000", "[::1]:5000", "Quay.io",
     "registry-1.docker.io", "xn--bcher-kva.example"],
)  # fmt: skip
def test_addresses_as_docker_takes_them(address: str) -> None:
    assert parse(yaml.safe_dump({"registry": {"address": address}}), FILE).registry.address


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0:5998", "[::1]:5000", "reg:5000", "127.0.0.1", "localhost", "10.0.0.1:80",
     "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1.example.org:5000", "localhost.example.org:5000"],
)  # fmt: skip
def test_the_embedded_registry_listens_on_loopback_only(address: str) -> None:
    [fault] = faults(yaml.safe_dump({"registry": {"embedded": True, "address": address}}))
    assert "registry.address" in fault and "loopback" in fault and "127.0.0.1:PORT" in fault


@pytest.mark.parametrize("address", ["127.0.0.1:5055", "127.1.2.3:65535", "localhost:5000"])
def test_the_embedded_registry_listens_on_any_loopback(address: str) -> None:
    assert parse(yaml.safe_dump({"registry": {"embedded": True, "address": address}}), FILE)


@pytest.mark.parametrize(
    "namespace", ["Kolla", "kolla/", "/kolla", "ko lla", "", "a//b", "-a", "ä"]
)
def test_a_namespace_is_part_of_an_images_name(namespace: str) -> None:
    [fault] = faults(yaml.safe_dump({"build": {"namespace": namespace}}))
    assert "build.namespace" in fault


@pytest.mark.parametrize("namespace", ["kolla", "group/project", "openstack.kolla", "a__b-c/d"])
def test_namespaces_of_every_registry(namespace: str) -> None:
    assert parse(yaml.safe_dump({"build": {"namespace": namespace}}), FILE)


DIGEST = "@sha256:" + "a" * 64


@pytest.mark.parametrize(
    "name", ["r.example:5000/debian:trixie", "debian@sha256:trixie", "debian:trixie" + DIGEST]
)
def test_a_base_image_is_named_without_its_tag(name: str) -> None:
    [fault] = faults(yaml.safe_dump({"build": {"base": {"name": name}}}))
    assert "build.base.name" in fault
    assert parse(yaml.safe_dump({"build": {"base": {"name": "r.example:5000/debian"}}}), FILE)


def test_a_base_image_has_a_digest_or_a_tag() -> None:
    base = {"name": "r.example:5000/debian" + DIGEST}
    assert parse(yaml.safe_dump({"build": {"base": base}}), FILE)
    [fault] = faults(yaml.safe_dump({"build": {"base": {**base, "tag": "trixie"}}}))
    assert "build.base.tag" in fault


def test_a_layer_cache_in_the_registry_is_for_builders() -> None:
    build = {"layer_cache": True, "engines": {"x86_64": {"url": "buildx://b"}}}
    assert parse(yaml.safe_dump({"build": build}), FILE)
    [fault] = faults(yaml.safe_dump({"build": {"layer_cache": True}}))
    assert "build.layer_cache" in fault
    [fault] = faults(yaml.safe_dump({"build": build, "signing_key": "key.pem"}))
    assert "build.layer_cache" in fault and "sign" in fault
