"""Dockerfiles whose RUN steps see the native tools.

https://docs.docker.com/reference/dockerfile/#run---mount
"""

from __future__ import annotations

import re

from builder.context.dockerfile import instructions
from builder.native.root import MOUNT, PRELOAD

#: The loader reads it before it loads a program's own libraries: ld.so(8).
PRELOAD_LIST = "/etc/ld.so.preload"

_RUN = re.compile(r"^(\s*RUN)(?=\s)", re.IGNORECASE)


def with_native_tools(text: str, image: str) -> str:
    """The Dockerfile with the native tools mounted in each RUN step.

    Mounts are in no layer, and in none of an image's records; the steps' own text stays.

    :param image: the image or build context that holds them.
    """
    mounts = (
        f"--mount=type=bind,from={image},source=/,target={MOUNT} "
        f"--mount=type=bind,from={image},source=/{PRELOAD},target={PRELOAD_LIST}"
    )
    lines = text.split("\n")
    for instruction in instructions(text):
        if instruction.keyword == "RUN":
            number = instruction.first - 1
            lines[number] = _RUN.sub(rf"\1 {mounts}", lines[number], count=1)
    return "\n".join(lines)
