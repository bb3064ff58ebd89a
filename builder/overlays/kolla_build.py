"""An overlay's kolla-build.conf: read, and held against what kollarm carries out.

Kolla's own options are described in https://docs.openstack.org/kolla/latest/admin/image-building.html.
Those that steer Kolla's building, not its templates, would have no effect here and are refused.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from builder.overlays.own_folder import fault_of_name
from core.addresses import has_user
from core.errors import ConfigError, Fault
from core.git import GitAddressError, check_address, check_reference
from core.suggest import did_you_mean
from core.untrusted_names import path_inside

NAME = "kolla-build.conf"

#: Section → (option → value).
Settings = dict[str, dict[str, str]]

#: Options of ``[DEFAULT]`` that change what Kolla renders.
EFFECTIVE = frozenset(
    {
        "base_image",
        "base_package_type",
        "base_tag",
        "clean_package_cache",
        "distro_package_manager",
        "distro_python_version",
        "docker_healthchecks",
        "enable_unbuildable",
        "image_name_prefix",
        "infra_rename",
        "maintainer",
        "openstack_branch",
        "openstack_branch_slashed",
        "openstack_release",
        "openstack_release_codename",
        "rpm_setup_config",
        "tarballs_base",
        "use_dumb_init",
    }
)

#: Options of ``[DEFAULT]`` that kollarm has another place for.
ELSEWHERE = {
    "allowed_to_fail": "images that fail don't keep others from being built",
    "apt_preferences": "put the file into the overlay's folder, as apt-preferences",
    "apt_sources_list": "change the sources in the block base_debian_after_sources_list",
    "base": "set build.distro in kollarm.yml",
    "base_arch": "name the architectures under build.engines in kollarm.yml",
    "build_args": "set build.args in kollarm.yml",
    "debian_arch": "it follows from the architecture",
    "docker_dir": "change the template tree with tree.patch",
    "engine": "set build.engines in kollarm.yml",
    "install_type": "images are always of type source",
    "locals_base": "name local sources by their place in the overlay's folder",
    "namespace": "set build.namespace in kollarm.yml",
    "patches_path": "put the patches into the overlay's folder, as patches/IMAGE/",
    "profile": "set build.profiles in kollarm.yml",
    "push_threads": "set build.jobs in kollarm.yml",
    "regex": "set build.images in kollarm.yml",
    "registry": "set registry.address in kollarm.yml",
    "repos_yaml": "put the file into the overlay's folder, as repos.yaml",
    "retries": "set build.retries in kollarm.yml",
    "tag": "set build.tag in kollarm.yml",
    "template_override": "put it into the overlay's folder, as template-override.j2",
    "threads": "set build.jobs in kollarm.yml",
}

#: Options of an image's or a source's section, and of a user's.
SOURCE_OPTIONS = frozenset({"type", "location", "reference", "enabled", "version", "sha256"})
USER_OPTIONS = frozenset({"uid", "gid", "group"})

_SECTION = re.compile(r"DEFAULT|[a-z0-9][a-z0-9_.-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def read(folder: Path) -> Settings:
    """The settings in an overlay's folder, as they are written.

    :raises ConfigError: it is not an INI file.
    """
    path = folder / NAME
    if not path.is_file():
        return {}
    parser = configparser.ConfigParser(interpolation=None, default_section="\0")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
    except configparser.Error as error:
        line = getattr(error, "lineno", None)
        place = f"{path}:{line}" if line else str(path)
        raise ConfigError(
            f"overlay {folder.name} can't be read", [Fault(place, error.message.splitlines()[0])]
        ) from error
    return {section: dict(parser[section]) for section in parser.sections()}


def place_of(folder: Path, section: str, option: str | None = None) -> str:
    """The place of a section, or of an option in it: the file and its line."""
    path = folder / NAME
    place, inside = str(path), False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("["):
            inside = line.strip() == f"[{section}]"
            if inside:
                place = f"{path}:{number}"
        elif inside and option is not None and re.match(rf"{re.escape(option)}\s*[=:]", line):
            return f"{path}:{number}"
    return place


def faults_of(folder: Path) -> Iterator[Fault]:
    """Options that would have no effect, and sources that lie outside of the overlay's folder.

    :raises ConfigError: see :func:`read`.
    """
    for section, options in read(folder).items():
        at = place_of(folder, section)
        if not _SECTION.fullmatch(section):
            yield Fault(at, f"[{section}] is not the name of a section")
            continue
        for option, value in options.items():
            if _CONTROL.search(value):
                place = place_of(folder, section, option)
                yield Fault(place, f"{option} has more than one line", "write it in one line")
        if section == "DEFAULT":
            known, remedies = EFFECTIVE, ELSEWHERE
        elif section.endswith("-user"):
            known, remedies = USER_OPTIONS, {}
        elif section == "profiles":
            known, remedies = frozenset(), dict.fromkeys(options, ELSEWHERE["regex"])
        else:
            known, remedies = SOURCE_OPTIONS, {}
        for option in options:
            if option not in known:
                remedy = remedies.get(option) or did_you_mean(option, known) or "remove it"
                place = place_of(folder, section, option)
                yield Fault(place, f"[{section}] {option} has no effect in kollarm", remedy)
        if known is SOURCE_OPTIONS:
            yield from _of_source(folder, section, options)


def _of_source(folder: Path, section: str, options: Mapping[str, str]) -> Iterator[Fault]:
    kind, location = options.get("type"), options.get("location")
    if (kind is None) != (location is None):
        # with one from here and one from elsewhere, the pair could be any
        yield Fault(place_of(folder, section), f"[{section}] needs type and location together")
        return
    if reference := options.get("reference"):
        try:
            check_reference(reference)
        except GitAddressError as error:
            yield Fault(place_of(folder, section, "reference"), error.message, error.hint)
    if location is None:
        return
    place = place_of(folder, section, "location")
    if kind == "local":
        if fault := fault_of_name(folder, location, place):
            remedy = "put it into the overlay's folder, or set build.sources in kollarm.yml"
            yield Fault(place, fault.message, remedy)
    elif kind == "url":
        if not re.match(r"https?://[^/]", location) or has_user(location):
            yield Fault(
                place, "the location is not the address of a file", "http(s)://…, without a user"
            )
    elif kind == "git":
        try:
            check_address(location)
            if not re.match(r"(https?|ssh|git)://|[^/:]+:(?!//)", location):
                raise GitAddressError(
                    "a repository on this machine is outside of the overlay",
                    hint="set build.sources in kollarm.yml",
                )
        except GitAddressError as error:
            yield Fault(place, error.message, error.hint)
    else:
        yield Fault(
            place_of(folder, section, "type"), f"{kind!r} is not a kind of source",
            "use local, url or git",
        )  # fmt: skip


def sources_in_folder(settings: Settings, folder: Path) -> Settings:
    """The settings with local sources by their absolute paths."""
    for options in settings.values():
        if options.get("type") == "local" and "location" in options:
            place = path_inside(folder.absolute(), options["location"], of=str(folder / NAME))
            options["location"] = str(place)
    return settings
