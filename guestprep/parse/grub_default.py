"""What GRUB's menu starts by itself (https://www.gnu.org/software/grub/manual/grub/, "default").

A default is the title, the identifier or the number of an entry, below those of its submenus.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from guestprep.parse.grub import (
    LINUX,
    BootEntry,
    assigned_values,
    entries,
    split_words,
    statements,
    unquoted,
    variables,
)

#: What comes before an entry's identifier; the variable is what grub-mkconfig writes.
_IDENTIFIER = ("--id", "$menuentry_id_option", "${menuentry_id_option}")

#: Between an entry and the submenu above it; in a name it is doubled.
_BELOW = re.compile(r"(?<!>)>(?!>)")

#: An entry's or a submenu's number and names, after those of the submenus above it.
_Place = tuple[tuple[int, frozenset[str]], ...]


def started(text: str, environment: Mapping[str, Sequence[str]]) -> BootEntry | None:
    """The kernel that a menu starts by itself, or None if it has none.

    Conditions aren't evaluated: of several defaults the first that says something counts, as in
    what grub-mkconfig writes, where the entry for the next start alone comes first.

    :param environment: words by variable, of GRUB's environment (grubenv).
    """
    found = list(zip(_places(text), entries(text, environment), strict=True))
    for default in (*_defaults(text, environment), "0"):
        wanted = [name.replace(">>", ">") for name in _BELOW.split(default)]
        for place, entry in found:
            if _is_at(wanted, place):
                return entry
    return found[0][1] if found else None


def _defaults(text: str, environment: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for statement in statements(text):
        for _, name, value in assigned_values(statement):
            if name == "default":
                words = split_words(unquoted(value))
                named = [" ".join(environment.get(other, ())) for other in variables(words)]
                if default := "".join(named) if named else unquoted(value):
                    yield default


def _places(text: str) -> Iterator[_Place]:
    """Where in the menu each kernel is, in the order of the file."""
    path: list[tuple[int, int, frozenset[str]]] = []
    counts: dict[tuple[int, ...], int] = {}
    for statement in statements(text):
        while path and path[-1][0] >= statement.depth:
            path.pop()
        verb, *rest = statement.words
        if verb in ("menuentry", "submenu") and rest:
            above = tuple(number for _, number, _ in path)
            counts[above] = counts.get(above, -1) + 1
            named = [word for before, word in pairwise(rest) if before in _IDENTIFIER]
            names = [rest[0], *named]
            path.append((statement.depth, counts[above], frozenset(map(unquoted, names))))
        elif verb in LINUX and rest:
            yield tuple((number, names) for _, number, names in path)


def _is_at(wanted: Sequence[str], place: _Place) -> bool:
    """Whether a default means what is at a place; of a submenu it means the first entry."""
    return (
        len(wanted) <= len(place)
        and all(
            name == str(number) or name in names
            for name, (number, names) in zip(wanted, place, strict=False)
        )
        and not any(number for number, _ in place[len(wanted) :])
    )
