"""The image graph as a drawing: a tree that grows downwards, narrow enough for a phone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from builder.record import ImageRecord
from core.progress import duration, size

WIDTH = 400
INDENT = 18
TITLE, LINE, PADDING, GAP = 22, 18, 8, 10


@dataclass(frozen=True)
class Line:
    """One architecture of an image: its state (also a CSS class) and a description."""

    state: str
    text: str


@dataclass(frozen=True)
class Box:
    """An image and its place; all lengths are in the drawing's own units."""

    name: str
    x: int
    y: int
    width: int
    height: int
    lines: tuple[Line, ...]

    def baseline(self, number: int) -> int:
        """The height of a line's text; line 0 is the title."""
        return self.y + PADDING + TITLE - 8 + number * LINE


@dataclass(frozen=True)
class Graph:
    """A drawing of images, with links from parents to children as SVG path data."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    links: tuple[str, ...]


def draw(images: Iterable[ImageRecord]) -> Graph:
    """Place every image below its parent, one box for all its architectures."""
    rows: dict[str, list[ImageRecord]] = {}
    for row in images:
        rows.setdefault(row.image, []).append(row)
    boxes: dict[str, Box] = {}
    links: list[str] = []
    y = 0
    for name, depth in _in_order(rows):
        own = rows[name]
        height = TITLE + LINE * len(own) + PADDING
        x = depth * INDENT
        box = Box(name, x, y, WIDTH - x, height, tuple(map(_line, own)))
        boxes[name] = box
        above = boxes.get(own[0].parent or "")
        if above is not None:
            start = above.x + INDENT // 2
            links.append(f"M{start} {above.y + above.height}V{y + TITLE // 2 + 4}H{x}")
        y += height + GAP
    return Graph(WIDTH, max(0, y - GAP), tuple(boxes.values()), tuple(links))


def _in_order(rows: dict[str, list[ImageRecord]]) -> Iterator[tuple[str, int]]:
    """Names with their depth, each image right below its parent's earlier children."""
    children: dict[str | None, list[str]] = {}
    for name, own in rows.items():
        parent = own[0].parent if own[0].parent in rows else None
        children.setdefault(parent, []).append(name)

    def below(parent: str | None, depth: int) -> Iterator[tuple[str, int]]:
        for name in children.get(parent, ()):
            yield name, depth
            yield from below(name, depth + 1)

    return below(None, 0)


def _line(row: ImageRecord) -> Line:
    words = [str(row.architecture), str(row.state)]
    words += [size(row.size)] if row.size else []
    words += [duration(row.seconds)] if row.seconds else []
    return Line(str(row.state), " · ".join(words))
