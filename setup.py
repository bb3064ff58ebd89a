"""What a wheel has besides the packages: ``share`` of the prefix that it is installed into."""

from pathlib import Path

from setuptools import setup

#: Folders of the checkout, and where their files go.
FOLDERS = {
    "dockerfile_overlays": "share/kollarm/dockerfile_overlays",
    "examples": "share/kollarm/examples",
    "scripts": "share/kollarm/scripts",
    "share": "share",
}

data_files: dict[str, list[str]] = {}
for folder, target in FOLDERS.items():
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            place = Path(target) / path.relative_to(folder).parent
            data_files.setdefault(str(place), []).append(str(path))

setup(data_files=[*data_files.items()])
