"""The order of packages and files: who may import whom and under which name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import pytest

from core.paths import project_dir
from tests import layers
from tests.layers import LAYERS, PRODUCT, Module

LONGEST = 400


@pytest.fixture(scope="module")
def modules() -> Mapping[str, Module]:
    return layers.read()


def test_every_package_is_on_a_floor() -> None:
    assert layers.packages_there() == {package for layer in LAYERS for package in layer}


@pytest.mark.parametrize("package", [*PRODUCT, "testbed"])
def test_every_package_is_marked_as_typed(package: str) -> None:
    assert (project_dir() / package / "py.typed").exists()


def test_imports_run_down(modules: Mapping[str, Module]) -> None:
    assert len(modules) > 300
    assert layers.not_down(modules) == []


def test_the_product_imports_neither_testbed_nor_tests(modules: Mapping[str, Module]) -> None:
    others = {other for package, other in layers.arrows(modules) if package in PRODUCT} - set(
        PRODUCT
    )
    assert others == set()


def test_no_circle_of_files(modules: Mapping[str, Module]) -> None:
    assert layers.file_circles(modules) == []


def test_no_circle_of_folders(modules: Mapping[str, Module]) -> None:
    assert layers.folder_circles(modules) == []


def test_suites_share_through_support_alone(modules: Mapping[str, Module]) -> None:
    assert layers.between_suites(modules) == []


def test_circles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "elsewhere"}, "d": {"d", "a"}}
    assert layers.circles(graph) == [["b", "c"]]


def test_no_module_is_too_long(modules: Mapping[str, Module]) -> None:
    assert {m.name: m.lines for m in modules.values() if m.lines > LONGEST} == {}


def test_no_class_name_twice(modules: Mapping[str, Module]) -> None:
    where = defaultdict(list)
    for module in modules.values():
        if module.package in PRODUCT:
            for name in module.classes:
                where[name].append(module.name)
    assert {name: places for name, places in where.items() if len(places) > 1} == {}


def test_no_name_of_ours_is_imported_under_another(modules: Mapping[str, Module]) -> None:
    """``X as X`` hands a name on."""
    assert [
        f"{module.name}: {entry.module} {entry.name or ''} as {entry.bound}"
        for module in modules.values()
        for entry in module.imports
        if entry.bound is not None and entry.bound != entry.name
    ] == []
