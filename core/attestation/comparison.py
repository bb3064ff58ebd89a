"""The differences between the bills of materials of one image under two tags."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.attestation import verification
from core.attestation.signing import PublicKey
from core.attestation.spdx import BomPackage
from core.oci.registry import RegistryClient
from core.text_output import joined_lines


@dataclass(frozen=True)
class PackageChange:
    """A package that is not installed in the same versions twice."""

    kind: str
    """``deb``, ``rpm`` or ``pypi``."""
    name: str
    old: tuple[str, ...]
    """Its versions before, usually one; none if it was added."""
    new: tuple[str, ...]
    """Its versions after; none if it was removed."""

    @property
    def state(self) -> str:
        return "changed" if self.old and self.new else "added" if self.new else "removed"

    def to_text(self) -> str:
        old, new = (", ".join(versions) for versions in (self.old, self.new))
        name = f"{self.name} (Python)" if self.kind == "pypi" else self.name
        return f"{name} {old} → {new}" if old and new else f"{name} {old or new}"


@dataclass(frozen=True)
class ImageComparison:
    """What changed in an image for one architecture."""

    repository: str
    architecture: str
    """By OCI's name; empty where there is no index to compare."""
    changes: tuple[PackageChange, ...] = ()
    fault: str = ""
    """Why it can't be compared, in words."""

    def of(self, state: str) -> list[PackageChange]:
        return [change for change in self.changes if change.state == state]

    def to_dict(self) -> dict[str, object]:
        return {
            "repository": self.repository,
            "architecture": self.architecture,
            **{
                state: [
                    {"kind": one.kind, "name": one.name, "old": one.old, "new": one.new}
                    for one in self.of(state)
                ]
                for state in ("added", "removed", "changed")
            },
            "fault": self.fault or None,
        }

    def to_text(self) -> str:
        name = f"{self.repository}, {self.architecture}" if self.architecture else self.repository
        if self.fault:
            return joined_lines([f"{name}: {self.fault}"])
        if not self.changes:
            return joined_lines([f"{name}: the same packages"])
        counts = [
            f"{len(found)} {state}"
            for state in ("added", "removed", "changed")
            if (found := self.of(state))
        ]
        signs = {"added": "+", "removed": "-", "changed": "~"}
        lines = [f"  {signs[change.state]} {change.to_text()}" for change in self.changes]
        return joined_lines([f"{name}: {', '.join(counts)}", *lines])


@dataclass(frozen=True)
class TagComparison:
    """What changed in several images between two tags."""

    old: str
    new: str
    images: tuple[ImageComparison, ...]

    @property
    def faults(self) -> int:
        """How many couldn't be compared."""
        return sum(bool(image.fault) for image in self.images)

    def to_dict(self) -> dict[str, object]:
        return {
            "old": self.old,
            "new": self.new,
            "images": [image.to_dict() for image in self.images],
        }

    def to_text(self) -> str:
        return "\n".join(image.to_text() for image in self.images)


def changes(old: Iterable[BomPackage], new: Iterable[BomPackage]) -> tuple[PackageChange, ...]:
    """The packages that aren't installed in the same versions twice, by their names.

    A package may be installed in several versions (kernels), or for several architectures.
    """
    before, after = _versions(old), _versions(new)
    return tuple(
        PackageChange(kind, name, before.get((kind, name), ()), after.get((kind, name), ()))
        for kind, name in sorted({*before, *after})
        if before.get((kind, name)) != after.get((kind, name))
    )


def _versions(packages: Iterable[BomPackage]) -> dict[tuple[str, str], tuple[str, ...]]:
    found = defaultdict(set)
    for package in packages:
        found[package.kind, package.name].add(package.version)
    return {key: tuple(sorted(versions)) for key, versions in found.items()}


def compare(
    client: RegistryClient, repository: str, old: str, new: str, key: PublicKey | None = None
) -> list[ImageComparison]:
    """Compare what an image contains under two tags, for each architecture.

    :param key: read only bills of materials that a statement signed with it names.
    :raises RegistryError: the registry can't be reached.
    """
    bills = []
    for tag in (old, new):
        found = _bills(client, repository, tag, key)
        if found is None:
            return [ImageComparison(repository, "", fault=f"there is no index with the tag {tag}")]
        bills.append(found)
    before, after = bills
    results = []
    for architecture in sorted({*before, *after}):
        fault = ""
        lists = []
        for tag, there in ((old, before), (new, after)):
            packages = there.get(architecture, "the index has no image for it")
            if isinstance(packages, str):
                fault = fault or f"{tag}: {packages}"
            else:
                lists.append(packages)
        found_changes = changes(*lists) if not fault else ()
        results.append(ImageComparison(repository, architecture, found_changes, fault))
    return results


def _bills(
    client: RegistryClient, repository: str, tag: str, key: PublicKey | None
) -> Mapping[str, list[BomPackage] | str] | None:
    """For each architecture of an index its packages, or why they aren't known, in words."""
    index = client.index(repository, tag)
    if index is None:
        return None
    signed = None
    if key is not None:
        said, fault = verification.provenance(client, repository, tag, index.digest, key)
        if said is None:
            return {one.architecture: fault for one in index.entries if one.is_image}
        signed = said.bills
    found: dict[str, list[BomPackage] | str] = {}
    for entry in index.entries:
        if entry.is_image:
            bill, fault = verification.bill_of(client, repository, entry.digest, signed)
            found[entry.architecture] = bill.packages if bill else fault
    return found
