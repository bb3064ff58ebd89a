"""A template override taken apart by Jinja's own lexer and parser.

Kolla's override is a child template: its blocks take the place of the parent's
blocks, and variables set outside of blocks are seen everywhere.  The lexer says
where each statement begins and ends in the source, so that parts are moved as
they were written; the parser says what they mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jinja2 import Environment, TemplateSyntaxError, nodes

from core.errors import Fault

_ENVIRONMENT = Environment()

#: Endings of the list variables that Kolla's ``customizable`` filter reads and
#: that add up; a third, ``_override``, replaces the list.
ACCUMULATING = ("_append", "_remove")


@dataclass(frozen=True)
class Statement:
    """A ``{% … %}`` statement: its tag, and where it stands in the source."""

    tag: str
    start: int
    """Offset of its ``{%``."""
    end: int
    """Offset after its ``%}`` and the space that a ``-%}`` eats."""
    line: int


@dataclass(frozen=True)
class Block:
    """A block of an override."""

    name: str
    body: str
    """Its source, between ``{% block … %}`` and ``{% endblock %}``."""
    supers: tuple[tuple[int, int], ...]
    """Offsets (start, end) in *body* of each ``super()``."""
    line: int
    """Of the ``{% block … %}``, from 1."""


@dataclass(frozen=True)
class Assignment:
    """``{% set NAME = EXPRESSION %}`` outside of every block."""

    name: str
    expression: str
    """Its source; of ``{% set NAME %}…{% endset %}`` the whole statement."""
    reads_itself: bool
    """The expression uses the variable's earlier value."""
    line: int
    captured: bool = False


@dataclass(frozen=True)
class OpaquePart:
    """Anything else outside of blocks that is kept as it is (a macro, a condition)."""

    source: str
    line: int
    conditional: tuple[tuple[int, int, Assignment], ...] = ()
    """Assignments under its conditions, with the offsets (start, end) of each in *source*."""


@dataclass(frozen=True)
class Override:
    """An override's parts in their order, and the faults that keep it from being composed."""

    parts: tuple[Block | Assignment | OpaquePart, ...]
    faults: tuple[Fault, ...]

    @property
    def assignments(self) -> Iterator[Assignment]:
        """The variables that it sets, those under conditions included."""
        for part in self.parts:
            if isinstance(part, Assignment):
                yield part
            elif isinstance(part, OpaquePart):
                yield from (assignment for _, _, assignment in part.conditional)


@dataclass(frozen=True)
class _Token:
    line: int
    kind: str
    value: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.value)


def normalized(source: str) -> str:
    """The source as Jinja's lexer counts it: newlines only, none at the end."""
    return "\n".join(source.splitlines())


def parse(source: str, where: str) -> Override:
    """Take an override apart.

    :param where: its path, for faults.
    """
    source = normalized(source)
    try:
        tokens = list(_tokens(source))
        _ENVIRONMENT.parse(source)
    except TemplateSyntaxError as error:
        return Override((), (Fault(f"{where}:{error.lineno}", error.message or "syntax error"),))
    parts: list[Block | Assignment | OpaquePart] = []
    faults: list[Fault] = []
    statements = list(_statements(tokens))
    position = 0
    while position < len(statements):
        statement = statements[position]
        place = f"{where}:{statement.line}"
        last = _closing(statements, position, source)
        end = statements[last].end
        text = source[statement.start : end]
        match statement.tag:
            case "extends":
                pass  # the composed file has its own
            case "import" | "from" | "include":
                faults.append(
                    Fault(
                        place,
                        f"{{% {statement.tag} %}}: Kolla loads an override alone, no other file "
                        "is found",
                        "Kolla's macros can be used inside a block, as macros.NAME",
                    )
                )
            case "block":
                body = source[statement.end : statements[last].start]
                first = next(t for t in tokens if t.start >= statement.start and t.kind == "name")
                name = next(t.value for t in tokens if t.start > first.start and t.kind == "name")
                supers = tuple(
                    (begin - statement.end, finish - statement.end)
                    for begin, finish in _supers(tokens)
                    if statement.end <= begin < statements[last].start
                )
                parts.append(Block(name, body, supers, statement.line))
            case "set":
                parts.append(_assignment(text, statement, last != position))
                if isinstance(parts[-1], OpaquePart):
                    faults += _unseen([statement], (), source, where)
            case _:
                if any(s.tag == "block" for s in statements[position : last + 1]):
                    faults.append(
                        Fault(
                            place,
                            f"a block inside {{% {statement.tag} %}} always applies",
                            "put the condition inside the block",
                        )
                    )
                inner = statements[position : last + 1]
                conditional = tuple(_conditional(inner, statement.start, source))
                parts.append(OpaquePart(text, statement.line, conditional))
                faults += _unseen(inner, conditional, source, where)
        position = last + 1
    seen: dict[str, int] = {}
    for part in parts:
        if isinstance(part, Block):
            if part.name in seen:
                faults.append(
                    Fault(
                        f"{where}:{part.line}",
                        f"block {part.name!r} is already defined in line {seen[part.name]}",
                    )
                )
            seen.setdefault(part.name, part.line)
    return Override(tuple(parts), tuple(faults))


def _tokens(source: str) -> Iterator[_Token]:
    position = 0
    for line, kind, value in _ENVIRONMENT.lexer.tokeniter(source, None):
        # what a "{%-" strips before itself is missing from the tokens: it is space alone
        start = source.index(value, position)
        yield _Token(line, kind, value, start)
        position = start + len(value)


def _statements(tokens: list[_Token]) -> Iterator[Statement]:
    begin: _Token | None = None
    tag = ""
    for token in tokens:
        if token.kind == "block_begin":
            begin, tag = token, ""
        elif token.kind == "name" and begin is not None and not tag:
            tag = token.value
        elif token.kind == "block_end" and begin is not None:
            yield Statement(tag, begin.start, token.end, begin.line)
            begin = None


def _closing(statements: list[Statement], position: int, source: str) -> int:
    """The position of the statement that ends the one at *position*; itself if it has none."""
    tag = statements[position].tag
    closer = f"end{tag}"
    if tag == "set" and _is_inline_set(statements[position], source):
        return position
    depth = 0
    for later in range(position, len(statements)):
        statement = statements[later]
        if statement.tag == tag and not (tag == "set" and _is_inline_set(statement, source)):
            depth += 1
        elif statement.tag == closer:
            depth -= 1
            if depth == 0:
                return later
    return position


#: Statements with an end of their own.
_ENCLOSING = ("if", "for", "with", "macro", "call", "filter", "autoescape", "block", "raw")


def _sets(statements: list[Statement], source: str) -> Iterator[tuple[Statement, list[str]]]:
    """The inline ``set`` statements among others, each with the tags that enclose it."""
    enclosing: list[str] = []
    for statement in statements:
        if statement.tag in _ENCLOSING:
            enclosing.append(statement.tag)
        elif statement.tag.startswith("end") and enclosing:
            enclosing.pop()
        elif statement.tag == "set" and _is_inline_set(statement, source):
            yield statement, list(enclosing)


def _conditional(
    statements: list[Statement], start: int, source: str
) -> Iterator[tuple[int, int, Assignment]]:
    """The assignments under conditions alone, which are seen outside of them."""
    for statement, enclosing in _sets(statements, source):
        if set(enclosing) == {"if"}:
            found = _assignment(source[statement.start : statement.end], statement, False)
            if isinstance(found, Assignment):
                yield statement.start - start, statement.end - start, found


def _unseen(
    statements: list[Statement],
    conditional: tuple[tuple[int, int, Assignment], ...],
    source: str,
    where: str,
) -> Iterator[Fault]:
    """List variables set where nothing outside sees them, or several in one statement."""
    plain = {assignment.line for _, _, assignment in conditional}
    for statement, enclosing in _sets(statements, source):
        node = _ENVIRONMENT.parse(source[statement.start : statement.end])
        names = [name.name for name in node.find_all(nodes.Name) if name.ctx == "store"]
        lists = [name for name in names if name.endswith(ACCUMULATING)]
        if lists and statement.line not in plain and "macro" not in enclosing:
            tag = next((tag for tag in reversed(enclosing) if tag != "if"), None)
            message = f"{lists[0]} is set together with another variable"
            if tag:
                message = f"{lists[0]} is set inside {{% {tag} %}}, where nothing outside sees it"
            place = f"{where}:{statement.line}"
            yield Fault(place, message, "set it by itself, or under {% if %} alone")


def _is_inline_set(statement: Statement, source: str) -> bool:
    node = source[statement.start : statement.end]
    try:
        _ENVIRONMENT.parse(node)
    except TemplateSyntaxError:
        return False
    return True


def _supers(tokens: list[_Token]) -> Iterator[tuple[int, int]]:
    meant = [token for token in tokens if token.kind != "whitespace"]
    for position in range(len(meant) - 2):
        name, opening, closing = meant[position : position + 3]
        words = (name.kind, name.value, opening.value, closing.value)
        if words == ("name", "super", "(", ")"):
            yield name.start, closing.end


def _assignment(text: str, statement: Statement, captured: bool) -> Assignment | OpaquePart:
    node = _ENVIRONMENT.parse(text).body[0]
    if isinstance(node, nodes.Assign) and isinstance(node.target, nodes.Name):
        name = node.target.name
        begin = text.index("=") + 1
        expression = text[begin:].rstrip().removesuffix("%}").rstrip("-+ \t\n")
        reads = any(used.name == name for used in node.node.find_all(nodes.Name)) or (
            isinstance(node.node, nodes.Name) and node.node.name == name
        )
        return Assignment(name, expression.strip(), reads, statement.line)
    if captured and isinstance(node, nodes.AssignBlock) and isinstance(node.target, nodes.Name):
        return Assignment(node.target.name, text, False, statement.line, captured=True)
    return OpaquePart(text, statement.line)
