"""Whatever stands in ``kollarm.yml``: a configuration, or faults in words, within bounds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from core.config.load import load, parse
from core.config.model import Config
from core.errors import ConfigError
from core.paths import project_dir
from core.yaml_faults import DEEPEST
from kollarm.cli.main import main

FILE = Path("/somewhere/kollarm.yml")

#: Written as YAML, which has more kinds of values than JSON.
HOSTILE = [
    "null", "true", "-1", "0", "99999999999999999999", "0x" + "f" * 5000, "9" * 5000, "1e400",
    ".nan", "-.inf", "2026-01-01", "2026-13-45", "12:30:45", '""', '"\\0"', '"\\ud800"',
    '"\\e]52;c;AAAA\\a"', '"\\u202Ex"', '"a\\nb"', '"../../etc/passwd"', '"~nobody-there/x"',
    '"-oProxyCommand=x"', '"[work]"', '"[::1"', '"http://["', '"%s{{ 7 * 7 }}$x"', "x" * 300,
    "[]", "{}", "[[[]]]", "{2026-01-01: x}", "{1: {2: 3}}", "{? [a] : b}", "!!binary aGk=",
    "!!set {a, b}", "!!python/object:os.system {}", "!!timestamp x", "!!int x", "!!bool x",
    "*nothing", "&a [*a]", "&a {b: *a}",
]  # fmt: skip


def positions(model: Any, *before: str | int) -> Iterator[tuple[str | int, ...]]:
    """Where a model has values: each field, an item of each list, a value of each mapping."""
    yield before
    if isinstance(model, type) and issubclass(model, BaseModel):
        for name, field in model.model_fields.items():
            yield from positions(field.annotation, *before, name)
        return
    inner = get_args(model)
    origin = getattr(model, "__origin__", None)
    if origin is list:
        yield from positions(inner[0], *before, 0)
    elif origin is dict:
        yield from positions(inner[1], *before, "aarch64")
    else:
        for each in inner:
            if isinstance(each, type) or get_args(each):
                yield from positions(each, *before)


def written(position: tuple[str | int, ...], value: str) -> str:
    """A document that has a value, in YAML, at a position."""
    for part in reversed(position):
        value = f"[{value}]" if isinstance(part, int) else f'{{"{part}": {value}}}'
    return value


def in_words(text: str) -> None:
    """Read a text, which may be refused in words only."""
    try:
        assert isinstance(parse(text, FILE), Config)
    except ConfigError as error:
        assert error.exit_status == 2
        assert error.message and len(str(error.details)) < 10_000


ALL = sorted({*positions(Config)}, key=str)


def test_every_section_is_reached() -> None:
    assert ("guests", 0, "source", "sha256") in ALL
    assert ("deploy", "hosts", "aarch64", "groups") in ALL
    assert len(ALL) > 120


@pytest.mark.parametrize(("number", "value"), [*enumerate(HOSTILE)])
def test_a_hostile_value_is_a_fault_wherever_it_stands(number: int, value: str) -> None:
    for position in ALL[number % 4 :: 4]:  # each position has a quarter of the values
        in_words(written(position, value))


@given(st.sampled_from(ALL), st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.dates()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=5,
))  # fmt: skip
def test_any_value_is_a_fault_wherever_it_stands(
    position: tuple[str | int, ...], value: object
) -> None:
    in_words(
        written(position, yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n"))
    )


def test_an_example_with_one_hostile_value(own_examples: list[dict[str, Any]]) -> None:
    for document in own_examples:
        for holder, key in leaves(document):
            kept = holder[key]
            value: object
            for value in (None, "a\nb\0", {"x": {"y": 1}}):
                holder[key] = value
                in_words(yaml.safe_dump(document))
            holder[key] = kept


@pytest.fixture
def own_examples() -> list[dict[str, Any]]:
    names = ("quickstart", "hybrid-2026.1-debian")
    texts = [(project_dir() / "examples" / f"{name}.yml").read_text("utf-8") for name in names]
    return [yaml.safe_load(text) for text in texts]


def leaves(node: Any) -> Iterator[tuple[Any, Any]]:
    """Each place of a value, as what holds it and its key or index."""
    for key in [*node] if isinstance(node, dict) else range(len(node)):
        if isinstance(node[key], dict | list):
            yield from leaves(node[key])
        else:
            yield node, key


def expanding(levels: int) -> str:
    """A few lines that stand for 10 to the power of their number of values."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for level in range(1, levels):
        names = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} [{names}]")
    return "\n".join(lines)


def merging(levels: int) -> str:
    lines = ["a0: &a0 {x: 1}"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} {{<<: [*a{level - 1}, *a{level - 1}, *a{level - 1}]}}")
    return "\n".join(lines)


def deepening(levels: int) -> str:
    lines = ["a0: &a0 [1]"]
    lines += [f"a{level}: &a{level} [*a{level - 1}]" for level in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize("text", [
    expanding(30), merging(40), deepening(DEEPEST + 5), "[" * 5000,
    "[" * (DEEPEST + 2) + "]" * (DEEPEST + 2),
    "build: &a {images: *a}",
])  # fmt: skip
def test_aliases_and_depth_are_bounded(text: str) -> None:
    with pytest.raises(ConfigError, match="not valid YAML"):
        parse(text, FILE)


def test_an_alias_that_repeats_a_section_is_taken() -> None:
    config = parse(
        "build: {engines: {x86_64: &e {url: local}, aarch64: *e}, images: [&b base, cron]}", FILE
    )
    first, second = config.build.engines.values()
    assert first == second


@pytest.mark.parametrize(
    "name", ["x" * 300, "ü" * 120, "a\0b", "a\nb", "a\u202eb", "a\ud800", " a", "a/b", ".a", ""]
)
def test_a_guests_name_has_to_be_a_file_name(name: str) -> None:
    text = yaml.dump({"guests": [{"name": name, "source": {"image": "ubuntu-24.04"}}]})
    with pytest.raises(ConfigError) as caught:
        parse(text, FILE)
    assert any("guests[0].name" in fault.where for fault in caught.value.faults)


@pytest.mark.parametrize("key", ["a[1:999999999]", "a[0:1000]", f"a[1:{'9' * 200}]"])
def test_a_range_of_hosts_is_bounded(key: str) -> None:
    text = (project_dir() / "examples/hybrid-2026.1-debian.yml").read_text("utf-8")
    document = yaml.safe_load(text)
    hosts = document["deploy"]["hosts"]
    hosts[key] = next(iter(hosts.values()))
    with pytest.raises(ConfigError) as caught:
        parse(yaml.safe_dump(document), FILE)
    assert any("range" in fault.message for fault in caught.value.faults)


def test_only_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe.yml"
    os.mkfifo(pipe)
    large = tmp_path / "large.yml"
    large.write_text("#" * 100, "utf-8")
    monkeypatch.setattr("core.config.load.LARGEST", 50)
    for path in (pipe, large, tmp_path, Path("/dev/zero")):
        with pytest.raises(ConfigError, match="can't be read"):
            load(path)


def test_a_pipe_of_the_shell_is_read() -> None:
    end, other = os.pipe()
    os.write(other, b"release: '2025.2'\n")
    os.close(other)
    assert load(Path(f"/dev/fd/{end}")).release == "2025.2"
    os.close(end)


@pytest.mark.parametrize("value", HOSTILE)
def test_the_command_answers_in_words(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = tmp_path / "[work] kollarm.yml"
    for position in (("state_dir",), ("guests", 0, "name")):
        path.write_text(written(position, value), "utf-8")
        assert main(["config", "show", "--config", str(path)]) in (0, 2)
        said = capsys.readouterr().err
        assert "internal error" not in said and "Traceback" not in said
