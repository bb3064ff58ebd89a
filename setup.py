"""What a wheel has: one package, and ``share`` of the prefix that it is installed into."""

import sys
from pathlib import Path

from setuptools import find_packages, setup

#: Packages whose names are too general for a folder that all programs share: an installed kollarm
#: has them below ``kollarm/packages``, which ``kollarm/__init__.py`` puts on the path.
GENERAL = ("core", "builder", "guestprep", "deploy")

#: Folders of the checkout, and where their files go.
FOLDERS = {
    "dockerfile_overlays": "share/kollarm/dockerfile_overlays",
    "examples": "share/kollarm/examples",
    "share": "share",
}

#: What ``kollarm doctor --fix`` runs.
SCRIPTS = ["scripts/setup-engine", "scripts/setup-foreign"]

# An editable installation is the checkout itself.
prefix = "" if "editable_wheel" in sys.argv else "kollarm.packages."
general = find_packages(include=[pattern for name in GENERAL for pattern in (name, f"{name}.*")])

data_files: dict[str, list[str]] = {"share/kollarm/scripts": SCRIPTS}
for folder, target in FOLDERS.items():
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            place = Path(target) / path.relative_to(folder).parent
            data_files.setdefault(str(place), []).append(str(path))

setup(
    # Not testbed and tests: they are run from the checkout.
    packages=[
        *find_packages(include=["kollarm", "kollarm.*"]),
        *(prefix + name for name in general),
    ],
    package_dir={prefix + name: name for name in GENERAL},
    data_files=[*data_files.items()],
)
