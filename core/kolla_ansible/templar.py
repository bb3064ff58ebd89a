"""Ansible variables, evaluated without Ansible as far as lists of images need it.

kolla-ansible's role defaults say which containers a host runs, as Jinja2 expressions over other
variables.  Jinja2 evaluates them; added here are Ansible's lookup of variables (whose values are
templates too) and those of its filters that the expressions use.  Ansible's own evaluator is also
called Templar.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import jinja2
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import missing

#: A value that is a single expression keeps its type; any other becomes text.
_WHOLE = re.compile(r"^\s*\{\{(?P<inner>(?:(?!\}\}|\{\{).)*)\}\}\s*$", re.DOTALL)

#: Deeper than any chain of kolla-ansible's variables; a circle of variables ends here.
_DEPTH = 60


class Undetermined(Exception):
    """An expression needs something that only a running Ansible knows."""


def truth(value: object) -> bool:
    """A value as a truth value, like Ansible's filter ``bool``.

    Source: https://docs.ansible.com/ansible/latest/collections/ansible/builtin/bool_filter.html
    """
    if isinstance(value, str):
        return value.strip().lower() in ("yes", "on", "1", "true", "y", "t")
    return value in (True, 1)


class Templar:
    """Evaluates the variables of one host.

    :param variables: all variables of the host, merged by precedence.
    """

    def __init__(self, variables: Mapping[str, object]):
        self.variables = variables
        self._depth = 0

    def value(self, raw: object) -> Any:
        """A raw value (from YAML) with all templates in it evaluated.

        :raises Undetermined: it uses something that only a running Ansible knows.
        """
        if isinstance(raw, str):
            return self._text(raw)
        if isinstance(raw, Mapping):
            return {key: self.value(item) for key, item in raw.items()}
        if isinstance(raw, list):
            return [self.value(item) for item in raw]
        return raw

    def condition(self, raw: object) -> bool:
        """Evaluate a ``when``: an expression, a truth value, or a list that must all be true.

        :raises Undetermined: as :meth:`value`.
        """
        if isinstance(raw, list):
            return all(self.condition(item) for item in raw)
        return truth(self._expression(raw)) if isinstance(raw, str) else truth(raw)

    def lookup(self, name: str) -> Any:
        """The evaluated variable, or Jinja2's ``missing`` if there is no such variable."""
        return self.lenient(self.variables[name]) if name in self.variables else missing

    def lenient(self, raw: object) -> Any:
        """Like :meth:`value`, but the parts of a structure are evaluated when they are used.

        Most parts of a service's description (volumes, dimensions) are not, and some of them can't
        be evaluated here.
        """
        if isinstance(raw, Mapping):
            return _LazyMapping(self, raw)
        if isinstance(raw, list):
            return [self._or_undefined(item) for item in raw]
        return self._text(raw) if isinstance(raw, str) else raw

    def _or_undefined(self, raw: object) -> Any:
        try:
            return self.lenient(raw)
        except Undetermined as error:
            return _ENVIRONMENT.undefined(str(error))

    def _text(self, raw: str) -> Any:
        if "{{" not in raw and "{%" not in raw:
            return raw
        whole = _WHOLE.match(raw)
        if whole:
            return self._expression(whole["inner"])
        return self._guarded(lambda: _template(raw).render({_SELF: self}), raw)

    def _expression(self, text: str) -> Any:
        return self._guarded(lambda: _compiled(text)({_SELF: self}), text)

    def _guarded(self, evaluate: Callable[[], Any], text: str) -> Any:
        self._depth += 1
        try:
            if self._depth > _DEPTH:
                raise Undetermined(f"{text}: variables refer to each other in a circle")
            result = evaluate()
            if isinstance(result, jinja2.Undefined):
                str(result)  # StrictUndefined raises here
            return result
        except Undetermined:
            raise
        except (jinja2.TemplateError, TypeError, AttributeError, KeyError, ValueError) as error:
            raise Undetermined(f"{text.strip()}: {error}") from error
        finally:
            self._depth -= 1


class _LazyMapping(Mapping[Any, Any]):
    """A mapping whose values are evaluated when they are used."""

    def __init__(self, templar: Templar, raw: Mapping[Any, object]):
        self._templar = templar
        self._raw = raw

    def __getitem__(self, key: Any) -> Any:
        return self._templar.lenient(self._raw[key])

    def __iter__(self) -> Iterator[Any]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)


#: The variable that holds the templar for which a compiled template is evaluated.
_SELF = "__templar"


class _Lookup(Context):
    """Looks names up as Ansible does, evaluating the variables' own templates."""

    def resolve_or_missing(self, key: str) -> Any:
        if key in self.vars:
            return self.vars[key]
        templar: Templar = self.parent[_SELF]
        value = templar.lookup(key)
        return super().resolve_or_missing(key) if value is missing else value


def _environment() -> jinja2.Environment:
    environment = SandboxedEnvironment(
        undefined=jinja2.StrictUndefined, extensions=["jinja2.ext.do"], autoescape=False
    )
    environment.context_class = _Lookup
    environment.filters |= {
        "bool": truth,
        "ternary": lambda value, yes, no: yes if truth(value) else no,
        "dict2items": lambda value: [{"key": k, "value": v} for k, v in value.items()],
        "intersect": lambda a, b: [item for item in a if item in b],
        "union": lambda a, b: [*a, *(item for item in b if item not in a)],
        "difference": lambda a, b: [item for item in a if item not in b],
    }
    return environment


_ENVIRONMENT = _environment()


@cache
def _compiled(text: str) -> Callable[..., Any]:
    """An expression, compiled once for all hosts."""
    return _ENVIRONMENT.compile_expression(text, undefined_to_none=False)


@cache
def _template(text: str) -> jinja2.Template:
    return _ENVIRONMENT.from_string(text)
