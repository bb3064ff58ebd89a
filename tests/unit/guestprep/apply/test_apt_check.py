"""Packages as apt judges them: the real apt-get, on lists composed here."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UnusableInput
from guestprep.apply.apt_check import complaints, require_fitting
from guestprep.archive.package import ArchivePackage
from guestprep.archive.resolve import resolve
from guestprep.parse.dpkg import RELATIONS, DpkgStatus, InstalledPackage, parse_status
from guestprep.parse.relation import parse_provides, parse_relations
from guestprep.plan.model import InstallStep, ReplaceStep


def installed(name: str, version: str = "1", **fields: str) -> str:
    named = {key.replace("_", "-"): value for key, value in fields.items()}
    lines = {"Package": name, "Status": "install ok installed", "Version": version}
    lines |= {"Architecture": "arm64"} | named
    return "".join(f"{key}: {value}\n" for key, value in lines.items()) + "\n"


def available(name: str, version: str = "1", **fields: str) -> ArchivePackage:
    named = {key.replace("_", "-"): value for key, value in fields.items()}
    provides = parse_provides(named.pop("Provides", ""))
    relations = {kind: parse_relations(named.get(kind, ""), "arm64") for kind in RELATIONS}
    return ArchivePackage(
        name, version, "arm64", "http://a.example", "x.deb", "0", 1, "", relations, provides
    )


def check(status: str, *packages: ArchivePackage) -> None:
    names = tuple(package.name for package in packages)
    require_fitting(parse_status(status), [InstallStep("", packages, names, "")], "arm64")


@pytest.mark.parametrize(
    ("status", "packages"),
    [
        (installed("fuse3", Breaks="fuse"), [available("fuse")]),
        (installed("a", Conflicts="mail"), [available("b", Provides="mail")]),
        ("", [available("one", Conflicts="two"), available("two")]),
        (installed("old", "1"), [available("new", Breaks="old (<< 2)")]),
        ("", [available("lonely", Depends="nothing")]),
        (installed("lib", "1"), [available("user", Pre_Depends="lib (>= 2)")]),
    ],
)
def test_what_apt_would_not_accept_is_refused(status: str, packages: list[ArchivePackage]) -> None:
    with pytest.raises(UnusableInput, match="no longer fit"):
        check(status, *packages)


@pytest.mark.parametrize(
    ("status", "packages"),
    [
        (installed("old", "2"), [available("new", Breaks="old (<< 2)")]),
        (installed("lib", Provides="abi (= 3)"), [available("user", Depends="x | abi (>= 2)")]),
        (installed("python3", Multi_Arch="allowed"), [available("user", Depends="python3:any")]),
        # It was so before.
        (installed("broken", Depends="nothing"), [available("new")]),
        (installed("mail", Provides="mta", Conflicts="mta"), [available("new")]),
        (installed("folded", Depends="lib,\n other (>= 1)") + installed("lib") + installed("other"),
         [available("new", Depends="folded")]),
    ],
)  # fmt: skip
def test_what_apt_accepts_is_installed(status: str, packages: list[ArchivePackage]) -> None:
    check(status, *packages)


def test_what_needs_a_removed_package_is_named() -> None:
    status = parse_status(
        installed("kernel") + installed("meta", Depends="kernel") + installed("tool")
    )
    new = (available("other"),)
    step = ReplaceStep("", new, ("other",), kernel="2", old="1", remove=("kernel",))
    with pytest.raises(UnusableInput, match="meta"):
        require_fitting(status, [step], "arm64")


def test_packages_of_a_second_architecture_count_as_such() -> None:
    status = installed("lib", Multi_Arch="same") + installed(
        "lib", Multi_Arch="same", Architecture="armhf"
    )
    check(status, available("user", Depends="lib"))


@given(st.text(), st.text(), st.text())
@settings(max_examples=40, deadline=None)
def test_nothing_of_a_guest_reaches_apt_as_it_was(name: str, version: str, relation: str) -> None:
    """What is no name, version or relation is left out; apt takes the rest for a list."""
    fields = dict.fromkeys(RELATIONS, relation)
    package = InstalledPackage(name, version, "arm64", relation, "installed", (), fields)
    good = parse_status(installed("lib") + installed("user", Depends="lib"))
    packages = [package, *good.packages.values()]
    assert not [one for one in complaints(packages, "arm64") if one.startswith(("lib:", "user:"))]


NAMES = st.sampled_from("abcdefg")
DEPENDS = st.lists(
    st.lists(
        st.builds(
            lambda name, how: f"pkg-{name}{how}", NAMES, st.sampled_from(["", " (>= 2)", " (= 1)"])
        ),
        min_size=1,
        max_size=2,
    ).map(" | ".join),
    max_size=3,
).map(", ".join)


class Archive:
    """Packages of an archive, by name."""

    def __init__(self, packages: list[ArchivePackage]):
        self.packages = packages

    def candidates(self, name: str) -> tuple[ArchivePackage, ...]:
        return tuple(package for package in self.packages if package.name == name)

    def providers(self, name: str) -> tuple[ArchivePackage, ...]:
        return ()


@given(st.lists(st.tuples(NAMES, st.sampled_from("12"), DEPENDS), max_size=12), st.sets(NAMES))
@settings(max_examples=80, deadline=None)
def test_what_the_resolver_chooses_is_complete_for_apt(
    entries: list[tuple[str, str, str]], present: set[str]
) -> None:
    archive = Archive(
        [available(f"pkg-{name}", version, Depends=needs) for name, version, needs in entries]
    )
    status: DpkgStatus = parse_status("".join(installed(f"pkg-{name}") for name in sorted(present)))
    wanted = [one for one in archive.packages if status.installed(one.name) is None][:1]
    found = resolve(wanted, archive, status)
    if not found.faults and found.packages:
        names = tuple(package.name for package in found.packages)
        require_fitting(status, [InstallStep("", found.packages, names, "")], "arm64")
