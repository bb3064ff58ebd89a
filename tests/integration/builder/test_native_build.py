"""An image built with native tools is the one that emulation makes.

Small, for every run of the suite; test_native_equality.py has Kolla's own images.
"""

from __future__ import annotations

from pathlib import Path

import certifi
import pytest

from core import trust
from tests.support import image_trees
from tests.support.emulated_image import both_ways, foreign

pytestmark = [pytest.mark.integration, pytest.mark.slow]

C_SOURCE = b"""
#include <stdarg.h>
#include <stdio.h>
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(sizeof(void *)); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, "size"}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "answer", 0, -1, methods};
PyMODINIT_FUNC PyInit_answer(void) { return PyModule_Create(&module); }
"""

#: A module compiled with debug information, Python byte-compiled, and dpkg, perl and tar at work.
STEPS = """\
COPY answer.c /src/answer.c
RUN cc -g -O2 -fPIC -shared $(python3-config --includes) -o /src/answer.so /src/answer.c \\
    && cp /usr/lib/python3.13/argparse.py /src && python3 -m compileall -q /src \\
    && dpkg --purge python3-venv \\
    && perl -e 'print "$]\\n"' > /src/perl && tar -cf /src/all.tar --mtime=@0 -C /src answer.c
"""

#: Wheels as they are on PyPI, and four compiled here: the build of the last one needs cffi, a
#: compiled module itself.  Without debug information, which names pip's temporary folders.
WHEELS = """\
COPY ca.pem /tmp/ca.pem
RUN export CFLAGS=-g0 PIP_CERT=/tmp/ca.pem PIP_NO_BINARY=netifaces,MarkupSafe,wrapt,xattr \\
    && python3 -m venv /venv && /venv/bin/pip install --no-cache-dir \\
        PyYAML==6.0.3 netifaces==0.11.0 MarkupSafe==3.0.3 wrapt==1.17.3 xattr==1.3.0
"""


def test_an_image_with_compiled_code_is_the_same() -> None:
    with both_ways(STEPS, {"answer.c": C_SOURCE}) as (emulated, native):
        found = image_trees.differences(emulated, native, foreign().platform)
        assert [path for path in found if path != "var/log/dpkg.log"] == []
        inside = image_trees.tree(native, foreign().platform)
        assert not {"dev/native", "etc/ld.so.preload"} & {*inside}


@pytest.mark.full
@pytest.mark.timeout(2 * 3600)  # pip and a compiler without native tools
def test_an_environment_of_compiled_wheels_is_the_same() -> None:
    authorities = trust.bundle(None) or Path(certifi.where())
    with both_ways(WHEELS, {"ca.pem": authorities.read_bytes()}) as (emulated, native):
        platform = foreign().platform
        assert image_trees.differences(emulated, native, platform) == []
        built = {Path(name).name.partition(".")[0] for name in image_trees.tree(native, platform)}
        assert {"_lib", "_yaml", "netifaces", "_speedups", "_wrappers"} <= built
