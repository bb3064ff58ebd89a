"""Several overlays composed into the one override file that every Kolla release takes.

Kolla itself joins several override files by putting their texts together: the
same block in two of them is an error that names the wrong file, and of two
package lists the last one wins.  Here a later overlay sees the earlier one's
block through ``super()``, lists add up, and a contradiction is an error that
names both places.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.overlays.model import Overlay
from builder.overlays.template import ACCUMULATING, Assignment, Block, OpaquePart, parse
from core.errors import ConfigError, Fault

HEADER = (
    "{% extends parent_template %}\n"
    "{# Composed by kollarm from the overlays: @NAMES@.\n"
    "   Change them, not this file. #}\n"
)


@dataclass(frozen=True)
class _Piece:
    """A block or assignment with the overlay it is from."""

    overlay: Overlay
    part: Block | Assignment

    @property
    def place(self) -> str:
        return f"{self.overlay.template_path}:{self.part.line}"

    @property
    def mark(self) -> str:
        return _mark(self.overlay, self.part.line)


def compose(overlays: Sequence[Overlay], variables: Mapping[str, object]) -> str:
    """One override file, the same for the same input.

    :param overlays: in their order.
    :param variables: values that are set before everything else (plain JSON data).
    :returns: "" when no overlay has a template.
    :raises ConfigError: all contradictions, each with its file and line.
    """
    with_template = [overlay for overlay in overlays if overlay.template is not None]
    if not with_template:
        return ""
    faults: list[Fault] = []
    text = [HEADER.replace("@NAMES@", ", ".join(overlay.name for overlay in with_template))]
    for name in sorted(variables):
        text.append(f"{{% set {name} = {_literal(variables[name])} %}}\n")
    blocks: dict[str, list[_Piece]] = {}
    assigned: dict[str, _Piece] = {}
    for overlay in with_template:
        override = parse(overlay.template or "", str(overlay.template_path))
        faults += override.faults
        for part in override.parts:
            if isinstance(part, Block):
                piece = _Piece(overlay, part)
                earlier = blocks.setdefault(part.name, [])
                if earlier and not part.supers and not _replaces(overlay, part.name):
                    faults.append(_contradiction("block", part.name, piece, earlier[-1]))
                earlier.append(piece)
            elif isinstance(part, Assignment):
                piece = _Piece(overlay, part)
                text.append(_assignment(piece, assigned, faults))
                assigned[part.name] = piece
            else:
                source = _conditions(overlay, part, assigned, faults)
                text.append(f"\n{_mark(overlay, part.line)}\n{_only_for(overlay, source)}\n")
    if faults:
        raise ConfigError("the overlays can't be composed", faults)
    for name, pieces in blocks.items():
        text.append(_block(name, pieces))
    return "".join(text)


def _mark(overlay: Overlay, line: int) -> str:
    return f"{{# overlay {overlay.name}, {overlay.template_path.name}:{line} #}}"


def _replaces(overlay: Overlay, name: str) -> bool:
    return name in overlay.description.replaces


def _contradiction(kind: str, name: str, later: _Piece, earlier: _Piece) -> Fault:
    remedy = "keep the earlier one with {{ super() }}, or" if kind == "block" else "change one, or"
    return Fault(
        later.place,
        f"{kind} {name!r} is also set in {earlier.place}",
        f"{remedy} name it under replaces: in {Path(later.overlay.folder.name) / 'overlay.yml'}",
    )


def _literal(value: object) -> str:
    """A value as a Jinja literal: JSON is one, except for its null."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return "none" if value is None else json.dumps(value)


def _images(overlay: Overlay) -> list[str]:
    return sorted(overlay.description.applies_to.images)


def _only_for(overlay: Overlay, source: str) -> str:
    """A part outside of blocks, limited to the overlay's images."""
    images = _images(overlay)
    if not images:
        return source
    return f"{{% if image_name in {_literal(images)} %}}{source}{{% endif %}}"


def _assignment(piece: _Piece, assigned: Mapping[str, _Piece], faults: list[Fault]) -> str:
    part = piece.part
    assert isinstance(part, Assignment)
    source = part.expression if part.captured else _set(piece, part, assigned, faults)
    return f"\n{piece.mark}\n{_only_for(piece.overlay, source)}\n"


def _set(
    piece: _Piece, part: Assignment, assigned: Mapping[str, _Piece], faults: list[Fault]
) -> str:
    """The statement that sets a variable; a list adds to what was set before."""
    earlier, expression = assigned.get(part.name), part.expression
    if earlier and not part.reads_itself and not _replaces(piece.overlay, part.name):
        if part.name.endswith(ACCUMULATING):
            expression = f"({part.name} | default([])) + ({expression})"
        else:
            faults.append(_contradiction("variable", part.name, piece, earlier))
    return f"{{% set {part.name} = {expression} %}}"


def _conditions(
    overlay: Overlay, part: OpaquePart, assigned: dict[str, _Piece], faults: list[Fault]
) -> str:
    """A part with conditions, whose assignments are treated like any other.

    Which of its branches applies isn't known here: they don't contradict each other.
    """
    source, position, pieces = "", 0, {}
    for start, end, assignment in part.conditional:
        piece = _Piece(overlay, assignment)
        source += part.source[position:start] + _set(piece, assignment, assigned, faults)
        position = end
        pieces[assignment.name] = piece
    assigned.update(pieces)
    return source + part.source[position:]


def _block(name: str, pieces: Sequence[_Piece]) -> str:
    """One block in which every later piece gets the earlier ones as its ``super()``."""
    # pieces before the last one without super() would have no effect,
    # unless that one holds for some images only
    first = 0
    for position, piece in enumerate(pieces):
        if isinstance(piece.part, Block) and not piece.part.supers and not _images(piece.overlay):
            first = position
    body = ""
    before = "super()"
    for number, piece in enumerate(pieces[first:], 1):
        part = piece.part
        assert isinstance(part, Block)
        own = _with_super(part, before)
        images = _images(piece.overlay)
        if images:
            otherwise = f"{{% else %}}{{{{ {before} }}}}{{% endif %}}"
            own = f"{{% if image_name in {_literal(images)} %}}{own}{otherwise}"
        own = f"{piece.mark}{own}"
        if number == len(pieces) - first:
            body += own
        else:
            before = f"kollarm_{name}_{number}"
            body += f"{{% set {before} %}}{own}{{% endset %}}\n"
    return f"\n{{% block {name} %}}\n{body}\n{{% endblock %}}\n"


def _with_super(block: Block, replacement: str) -> str:
    parts = []
    position = 0
    for start, end in block.supers:
        parts += [block.body[position:start], replacement]
        position = end
    return "".join((*parts, block.body[position:]))
