"""Reading ``kollarm.yml``: all errors at once, each with its place and a hint."""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.config.contradictions import Finding, contradictions
from core.config.model import Config
from core.errors import ConfigError, Fault, counted
from core.text_output import HARMFUL
from core.yaml_faults import Position, YamlFile, brief, explain

#: Bytes of a configuration file.
LARGEST = 4 << 20

#: Looked for in the working directory when no ``--config`` is given.
DEFAULT_NAME = "kollarm.yml"


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Relative paths in it come back absolute, taken from the file's own folder.

    :raises ConfigError: with every fault found, each with its line.
    """
    try:
        text = _read(path)
    except FileNotFoundError:
        raise ConfigError(
            f"no configuration file {path}",
            hint="name one with --config, or start from examples/quickstart.yml",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from error
    return parse(text, path)


def _read(path: Path) -> str:
    """A file's text; of a pipe only where the shell made it (``--config <(command)``)."""
    own = path.parent == Path("/dev/fd") or path == Path("/dev/stdin")
    if not own and not stat.S_ISREG(path.stat().st_mode):
        raise OSError("it is not a file")
    with path.open("rb") as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise OSError("it is too large for a configuration")
    return content.decode("utf-8-sig")


def parse(text: str, path: Path) -> Config:
    """The configuration in *text*; *path* gives its folder and its name in faults.

    :raises ConfigError: as :func:`load`.
    """
    file = YamlFile(text, path)
    data = {} if file.data is None else file.data
    if not isinstance(data, dict):
        raise ConfigError(f"{path} must hold a mapping (key: value), not a {_kind(data)}")
    faults = list(file.repeated_keys())
    config, wrong = _validate(data, path.resolve().parent)
    faults += [Fault(file.where(position), message, hint) for position, message, hint in wrong]
    if faults:
        raise ConfigError(f"{path} has {counted(len(faults), 'error')}", faults)
    return config


def _validate(data: dict[str, Any], folder: Path) -> tuple[Config, list[Finding]]:
    """The configuration as far as it is sound, and everything that isn't.

    What has a wrong shape is taken out and the rest validated again, so that
    impossible combinations elsewhere are found in the same run.
    """
    findings: list[Finding] = []
    removed: list[Position] = []
    data = _as_json(data, (), findings)
    while True:
        text = json.dumps(data)
        try:
            # JSON's own strictness is meant: a string where a number belongs is a
            # fault, but an enumeration's value and a path are written as strings.
            config = Config.model_validate_json(text, context={"folder": folder})
            break
        except ValidationError as error:
            for item in error.errors():
                if item["type"] == "default_factory_not_called":
                    continue  # it follows from another fault
                position = _present(data, item["loc"], missing=item["type"] == "missing")
                if not any(position[: len(gone)] == gone for gone in removed):
                    findings.append((position, *explain(item, position, Config)))
                # A missing key can't be taken out: its whole section goes.
                gone = position[:-1] if item["type"] == "missing" else position
                removed.append(gone)
            _take_out(data, removed)
            if json.dumps(data) == text:
                raise  # not for what the file says: a default is wrong
    for finding in contradictions(config):
        position = finding[0]
        if not any(_spoils(gone, position) for gone in removed):
            findings.append(finding)
    return config, findings


def _as_json(value: Any, position: Position, findings: list[Finding]) -> Any:
    """A value of YAML as one of JSON, which has neither dates nor keys of other types.

    Text that can't be shown is replaced, and noted in *findings*.
    """
    if isinstance(value, dict):
        return {
            str(_as_json(name, position, findings)): _as_json(
                below, (*position, str(name)), findings
            )
            for name, below in value.items()
        }
    if isinstance(value, list | tuple | set):
        return [_as_json(below, (*position, at), findings) for at, below in enumerate(value)]
    if value is None or (isinstance(value, int) and value.bit_length() < 1000):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    # the digits of a very long number can't be had
    text = "a number" if isinstance(value, int) else str(value)
    without = "".join(sign for sign in text if sign in "\n\t" or not HARMFUL.match(sign))
    if without != text:
        findings.append(
            (position, f"{brief(text)} has characters that can't be shown", "remove them")
        )
    return without


def _present(data: Any, location: Position, *, missing: bool) -> Position:
    """Where the data has what pydantic calls a location, which may name a union's type too.

    :param missing: whether its last part names a key that should be there.
    """
    position: list[str | int] = []
    for part in location:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            break
        position.append(part)
    return (*position, location[-1]) if missing else tuple(position)


def _spoils(gone: Position, position: Position) -> bool:
    """Whether what was taken out makes a finding at *position* meaningless.

    A default in its place says nothing, and a list that lost an item numbers
    the others anew.
    """
    of_list = isinstance(gone[-1], int) and position[: len(gone) - 1] == gone[:-1]
    return of_list or gone[: len(position)] == position


def _take_out(data: Any, positions: Sequence[Position]) -> None:
    for position in positions:
        holder = data
        for part in position[:-1]:
            try:
                holder = holder[part]
            except (KeyError, IndexError, TypeError):
                break
        else:
            last = position[-1]
            if isinstance(holder, dict):
                holder.pop(last, None)
            elif isinstance(holder, list) and isinstance(last, int) and last < len(holder):
                holder[last] = None  # keeps the others' numbers; removed below
    _drop_nones(data)


def _drop_nones(node: Any) -> None:
    if isinstance(node, dict):
        for value in node.values():
            _drop_nones(value)
    elif isinstance(node, list):
        node[:] = [item for item in node if item is not None]
        for item in node:
            _drop_nones(item)


def _kind(value: object) -> str:
    return {list: "list", str: "string", int: "number", float: "number", bool: "boolean"}.get(
        type(value), type(value).__name__
    )
