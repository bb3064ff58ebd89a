"""Builds of pip's whose requirements have compiled modules, with native programs."""

from __future__ import annotations

import pytest

from core.config.model import Architecture
from tests.support.emulated_image import InEmulation, foreign

pytestmark = [pytest.mark.integration, pytest.mark.slow]

#: Wheels of a compiled module for both architectures, made of a module of Python's own.
WHEELS = """
import pathlib, sys
from wheels import wheel
tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
for root in ("", "/dev/native"):
    module, = pathlib.Path(f"{root}/usr/lib").glob("python3.*/lib-dynload/_lsprof.*.so")
    platform = "manylinux_2_17_" + module.name.split("-")[2]
    wheel(f"/w/probe-1-{tag}-{tag}-{platform}.whl", "probe", {module.name: module.read_bytes()})
"""
#: What both sides write wheels with.
WRITER = """
import zipfile
def wheel(path, name, content):
    info = f"{name}-1.dist-info/"
    content |= {
        info + "METADATA": f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 1\\n",
        info + "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\n",
    }
    content[info + "RECORD"] = "".join(f"{one},,\\n" for one in [*content, info + "RECORD"])
    with zipfile.ZipFile(path, "w") as made:
        for one, text in content.items():
            made.writestr(one, text)
"""
#: Writes down which interpreter built the project, and which file of the module it found.
BACKEND = """
import sys
from importlib.machinery import PathFinder
from wheels import wheel
def build_wheel(folder, settings=None, metadata=None):
    spec = PathFinder.find_spec("_lsprof", [one for one in sys.path if "pip-build-env" in one])
    native = "/dev/native/usr/bin/python3" in open("/proc/self/maps").read()
    print("native" if native else "emulated", spec.origin.split("-")[-3], file=open("/built", "w"))
    wheel(f"{folder}/it-1-py3-none-any.whl", "it", {})
    return "it-1-py3-none-any.whl"
"""
PYPROJECT = """
[build-system]
requires = ["probe"]
build-backend = "backend"
backend-path = ["."]
"""


def built(run: InEmulation, options: str, *, but: str = "true") -> list[str]:
    """Which interpreter built the project, and the architecture of the module it found."""
    files = {
        "/w/make.py": WHEELS,
        "/w/wheels.py": WRITER,
        "/p/wheels.py": WRITER,
        "/p/backend.py": BACKEND,
        "/p/pyproject.toml": PYPROJECT,
    }
    written = "".join(f"cat >{path} <<'END'{text}END\n" for path, text in files.items())
    (line,) = run(
        f"mkdir /w /p\n{written}python3 /w/make.py && {but} && python3 -m venv /v >&2\n"
        f"PIP_NO_INDEX=1 /v/bin/pip --no-cache-dir install {options} /p >&2 && cat /built"
    )
    return line.split()


def test_a_build_loads_native_modules(in_emulation: InEmulation) -> None:
    host = next(one for one in Architecture if one is not foreign())
    assert built(in_emulation, "-q --find-links=/w") == ["emulated", foreign()]
    assert built(in_emulation, "-q", but="export PIP_FIND_LINKS=/w") == ["native", host]


def test_a_build_without_a_native_wheel_is_emulated(in_emulation: InEmulation) -> None:
    host = next(one for one in Architecture if one is not foreign())
    but = f"export PIP_FIND_LINKS=/w && rm /w/*_{host}.whl"
    assert built(in_emulation, "-q", but=but) == ["emulated", foreign()]
