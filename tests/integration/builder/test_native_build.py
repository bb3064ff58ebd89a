"""An image built with native tools is the one that emulation makes.

Small, for every run of the suite; test_native_equality.py has Kolla's own images.
"""

from __future__ import annotations

import tarfile
import tempfile
import uuid

import docker
import pytest

from builder.context import archive
from builder.engines.docker import DockerEngine
from builder.engines.protocol import BuildJob
from builder.native.dockerfile import with_native_tools
from tests.support import image_trees
from tests.support.emulated_image import emulated_image, foreign, native_image

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


def test_an_image_with_compiled_code_is_the_same() -> None:
    engine, name = DockerEngine(buildkit=True), f"kollarm-test/{uuid.uuid4().hex[:8]}"
    text = f"FROM {emulated_image(engine)}\n{STEPS}"
    try:
        for tag, steps in (
            ("emulated", text),
            ("native", with_native_tools(text, native_image(engine))),
        ):
            with tempfile.TemporaryFile() as stream:
                with tarfile.open(fileobj=stream, mode="w") as tar:
                    archive.add_bytes(tar, "Dockerfile", steps.encode())
                    archive.add_bytes(tar, "answer.c", C_SOURCE)
                stream.seek(0)
                engine.build(
                    BuildJob(
                        stream, f"{name}:{tag}", foreign(), mounts=None if tag == "emulated" else {}
                    )
                )
        platform = foreign().platform
        found = image_trees.differences(f"{name}:emulated", f"{name}:native", platform)
        assert [path for path in found if path != "var/log/dpkg.log"] == []
        assert not {"dev/native", "etc/ld.so.preload"} & {
            *image_trees.tree(f"{name}:native", platform)
        }
    finally:
        client = docker.from_env()
        for tag in ("emulated", "native"):
            client.images.remove(f"{name}:{tag}", force=True)
