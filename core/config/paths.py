"""Values that may be local paths: relative ones are taken from the configuration's folder.

The loader hands the folder over in pydantic's validation context, as ``folder``; without it
(a model made by a program) a value stays as it is.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Strict, ValidationInfo

from core.git import check_address, check_reference


def folder_of(context: Any) -> Path | None:
    """The configuration's folder in a validation context; None without one."""
    folder: Path | None = (context or {}).get("folder")
    return folder


def _absolute(path: Path, info: ValidationInfo) -> Path:
    folder = folder_of(info.context)
    try:
        return Path(os.path.normpath(folder / path.expanduser())) if folder else path
    except RuntimeError:
        raise ValueError(f"the home folder of {path.parts[0]} is not known") from None


def _path_or_url(value: str, info: ValidationInfo) -> str:
    return value if "://" in value else str(_absolute(Path(value), info))


def _archive_address(value: str, info: ValidationInfo) -> str:
    local = value.removeprefix("file:")
    if local == value or local.startswith("/"):
        return value
    return f"file:{_absolute(Path(local), info)}"


def _repository(value: str, info: ValidationInfo) -> str:
    check_address(value)
    # as git has it, host:path is a remote one
    return value if ":" in value else str(_absolute(Path(value), info))


def _checked_reference(value: str) -> str:
    check_reference(value)
    return value


def _checked_address(value: str) -> str:
    check_address(value)
    return value


#: Not strict, so that a default can be written as a string, as in JSON.
LocalPath = Annotated[Path, Strict(False), AfterValidator(_absolute)]

#: A file by its path or its URL.
PathOrUrl = Annotated[str, AfterValidator(_path_or_url)]

#: An apt archive's address, of which ``file:some/folder`` is a local path.
ArchiveAddress = Annotated[str, AfterValidator(_archive_address)]

#: A git repository, by its path or as git names remote ones.
GitRepository = Annotated[str, AfterValidator(_repository)]

#: The same, never a relative path.
GitAddress = Annotated[str, AfterValidator(_checked_address)]

#: A branch, tag or commit.
GitReference = Annotated[str, AfterValidator(_checked_reference)]
