"""Unpack the collections that a requirements.yml names from wheels of PyPI's package ansible.

    unpack_collections.py REQUIREMENTS.yml FOLDER WHEEL...

A collection comes from the first wheel that has it in a version that is asked for. The folder is
laid out as ansible-galaxy does: FOLDER/ansible_collections/NAMESPACE/NAME. Exit status 1, with a
list, if a collection is in no wheel.
"""

import json
import sys
import zipfile
from pathlib import Path

import yaml
from packaging.specifiers import SpecifierSet


def version_in(wheel, root):
    try:
        manifest = wheel.read(root + "MANIFEST.json")
    except KeyError:
        return None
    return json.loads(manifest)["collection_info"]["version"]


def main(requirements, target, *wheels):
    wanted = yaml.safe_load(Path(requirements).read_text(encoding="utf-8"))["collections"]
    opened = [zipfile.ZipFile(path) for path in wheels]
    missing = []
    for one in wanted:
        name, specifier = one["name"], one.get("version", "*")
        allowed = SpecifierSet("" if specifier == "*" else specifier)
        root = "ansible_collections/" + name.replace(".", "/") + "/"
        found = [(wheel, version_in(wheel, root)) for wheel in opened]
        for wheel, version in found:
            if version is not None and allowed.contains(version):
                print(name, version, "from", wheel.filename)
                wheel.extractall(target, [n for n in wheel.namelist() if n.startswith(root)])
                break
        else:
            there = ", ".join(version for _, version in found if version) or "none"
            missing.append(f"{name} {specifier} (in the wheels: {there})")
    if missing:
        sys.exit("no wheel holds " + "; ".join(missing))


if __name__ == "__main__":
    main(*sys.argv[1:])
