"""Who may import whom: the packages' layers, and what their files import.

``python -m tests.layers`` prints it; ``tests/unit/test_layers.py`` holds it.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.paths import project_dir

#: From the lowest layer to the highest. A package may import those of lower layers,
#: not its neighbours.
LAYERS = (
    ("core",),
    ("builder", "guestprep", "deploy"),
    ("kollarm",),
    ("testbed",),
    ("tests",),
)

#: Those that are installed with the command, and may not need the rest.
PRODUCT = ("core", "builder", "guestprep", "deploy", "kollarm")

#: Programs for another interpreter, which import nothing of ours.
_DATA = "data"


@dataclass(frozen=True)
class Import:
    """One module of ours that a file imports, under TYPE_CHECKING and inside functions too."""

    module: str
    """``builder.plan``, whether the module is imported or a name out of it."""
    name: str | None
    """What is imported out of the module; None for the module itself."""
    bound: str | None
    """The name after ``as``."""


@dataclass(frozen=True)
class Module:
    """A file of ours."""

    name: str
    path: Path
    lines: int
    classes: tuple[str, ...]
    imports: tuple[Import, ...] = field(repr=False)

    @property
    def package(self) -> str:
        return package_of(self.name)

    @property
    def folder(self) -> str:
        """``builder.engines``; the package itself for a file that lies directly in it."""
        parts = self.name.split(".")
        return (
            ".".join(parts[:2]) if len(parts) > 2 or self.path.name == "__init__.py" else parts[0]
        )


def package_of(module: str) -> str:
    """The top-level package of a module."""
    return module.partition(".")[0]


def layer_of(package: str) -> int:
    """The layer of a top-level package, counted from 0."""
    return next(layer for layer, packages in enumerate(LAYERS) if package in packages)


def read() -> dict[str, Module]:
    """All modules of the packages on the layers, by name."""
    root = project_dir()
    paths = {
        _name(path.relative_to(root)): path
        for packages in LAYERS
        for package in packages
        for path in sorted((root / package).rglob("*.py"))
        if _DATA not in path.parts
    }
    return {name: _module(name, path, paths) for name, path in paths.items()}


def packages_there() -> set[str]:
    """The top-level packages of the checkout."""
    return {path.parent.name for path in project_dir().glob("*/__init__.py")}


def _name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _module(name: str, path: Path, known: Iterable[str]) -> Module:
    text = path.read_text()
    tree = ast.parse(text, path)
    classes = (node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    return Module(
        name, path, len(text.splitlines()), tuple(classes), tuple(_imports(tree, set(known)))
    )


def _imports(tree: ast.Module, known: set[str]) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in known:
                    yield Import(alias.name, None, alias.asname)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if f"{node.module}.{alias.name}" in known:
                    yield Import(f"{node.module}.{alias.name}", None, alias.asname)
                elif node.module in known:
                    yield Import(node.module, alias.name, alias.asname)


def arrows(modules: Mapping[str, Module]) -> Counter[tuple[str, str]]:
    """How many imports lead from one package to another."""
    return Counter(
        (module.package, package_of(entry.module))
        for module in modules.values()
        for entry in module.imports
        if package_of(entry.module) != module.package
    )


def not_down(modules: Mapping[str, Module]) -> list[str]:
    """The imports that run up, or sideways between two packages of one layer."""
    return [
        f"{module.name} imports {entry.module}"
        for module in modules.values()
        for entry in module.imports
        if package_of(entry.module) != module.package
        and layer_of(package_of(entry.module)) >= layer_of(module.package)
    ]


def file_circles(modules: Mapping[str, Module]) -> list[list[str]]:
    """The circles of files that import each other."""
    return circles(
        {name: {entry.module for entry in module.imports} for name, module in modules.items()}
    )


def folder_circles(modules: Mapping[str, Module]) -> list[list[str]]:
    """The circles of folders within one package; files that lie directly in it don't count."""
    graph: dict[str, set[str]] = {}
    for module in modules.values():
        targets = {modules[entry.module].folder for entry in module.imports}
        within = {target for target in targets if package_of(target) == module.package}
        graph.setdefault(module.folder, set()).update(within - {module.package})
    return circles({folder: targets for folder, targets in graph.items() if "." in folder})


def between_suites(modules: Mapping[str, Module]) -> list[str]:
    """The imports of test modules, and those from one suite of tests to another.

    What two of them use is in ``tests/support``.
    """
    return [
        f"{module.name} imports {entry.module}"
        for module in modules.values()
        if module.package == "tests"
        for entry in module.imports
        if package_of(entry.module) == "tests"
        and (
            entry.module.rpartition(".")[2].startswith(("test_", "bench_", "conftest"))
            or modules[entry.module].folder not in {module.folder, "tests.support", "tests"}
        )
    ]


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The groups of nodes that reach each other, each sorted."""
    reach = {node: _reachable(graph, node) for node in graph}
    groups = {
        tuple(sorted(other for other in reach[node] if node in reach[other]))
        for node in graph
        if node in reach[node]
    }
    return sorted(list(group) for group in groups if len(group) > 1)


def _reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    ahead = list(graph[start])
    while ahead:
        node = ahead.pop()
        if node in graph and node not in reached:
            reached.add(node)
            ahead += graph[node]
    return reached


def main() -> int:
    """Print packages, layers and arrows; 1 when the order is broken."""
    modules = read()
    for layer, packages in reversed(list(enumerate(LAYERS))):
        for package in packages:
            lines = [module.lines for module in modules.values() if module.package == package]
            print(f"layer {layer}  {package:<10} {len(lines):4} files {sum(lines):6} lines")
    print("\narrows between packages (imports)")
    for (package, other), number in sorted(arrows(modules).items()):
        print(f"  {package:<10} -> {other:<10} {number:4}")
    total = 0
    for what, found in (
        ("arrows that run back up or sideways", not_down(modules)),
        ("circles of files", [" <-> ".join(group) for group in file_circles(modules)]),
        ("circles of folders", [" <-> ".join(group) for group in folder_circles(modules)]),
    ):
        print(f"\n{what}: {len(found)}" + "".join(f"\n  {line}" for line in found), end="")
        total += len(found)
    print()
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
