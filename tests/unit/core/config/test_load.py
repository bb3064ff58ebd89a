"""The configuration file: strict, and every fault at once with its place and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from core.config.load import DEFAULT_NAME, dotted, load, parse
from core.config.model import Architecture, Config
from core.errors import ConfigError
from core.paths import project_dir

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
    where = f"{FILE}:"
    assert sorted(found) == sorted(
        [
            f"{where}1: release: must be a string, not the number 2026.1"
            ' (write it in quotes: "2026.1")',
            f"{where}3: build.distro: unknown value 'debain' (did you mean 'debian'?)",
            f"{where}4: build.images[1]: 'base' is listed twice (remove one)",
            f"{where}5: build.namspace: unknown key (did you mean 'namespace'?)",
            f"{where}8: guests[0].source: needs exactly one of image, path and url"
            " (image: a release of the catalogue (docs/guests.md); path or url: where the file is)",
            f"{where}9: guests[0].consoles: the last one, 'ttyAMA0', becomes /dev/console"
            " and isn't the screen (put tty1 last)",
        ]
    )


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
    assert "sha256sums: the catalogue knows the list" in found[0]
    assert "source.mirror: only a release of the catalogue" in found[1]


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
    assert any("'20 gigabytes' has the wrong form" in fault for fault in found)
    assert any("/x is copied twice" in fault for fault in found)


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
    where = f"{FILE}:"
    assert {fault.removeprefix(where).split(" ", 1)[1].split(" (")[0] for fault in found} == {
        "build.sources.glance-base.pypi: 'glance>=1' has the wrong form",
        "build.kolla.ref: is missing",
        "build.sources.nova-base: needs exactly one of path, url, git and pypi",
        "build.sources.neutron-base: needs exactly one of path, url, git and pypi",
        "build.sources.keystone-base.sha256: goes with url alone",
        "build.sources.keystone-base.reference: goes with git alone",
        "build.services: has no effect without profiles",
        "build.engines.x86_64.tls: goes with tcp:// alone",
    }


def test_profiles_are_for_architectures_that_are_built() -> None:
    [fault] = faults("build: {profiles: {aarch64: [compute]}, engines: {x86_64: {url: local}}}")
    assert "build.profiles.aarch64: no engine builds aarch64" in fault
    [unknown] = faults("build: {profiles: {aarch64: [computer]}}")
    assert "did you mean 'compute'?" in unknown
