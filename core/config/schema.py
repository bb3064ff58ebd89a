"""The JSON schema of ``kollarm.yml``, with the documentation of its keys."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema

from core.config.model import Config


def json_schema() -> JsonSchemaValue:
    """The schema as plain data, for editors and for checks in other tools."""
    about = {"$schema": _Documented.schema_dialect, "title": "kollarm.yml"}
    return about | Config.model_json_schema(schema_generator=_Documented)


class _Documented(GenerateJsonSchema):
    """Takes the string under a field as its description.

    pydantic's ``use_attribute_docstrings`` would read the models' source whenever they are
    imported: a tenth of the time of a short command.
    """

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        result = super().model_schema(schema)
        for name, text in _field_docs(schema["cls"]).items():
            result["properties"][name]["description"] = text
        return result


def _field_docs(model: type) -> dict[str, str]:
    """The string under each field of a class, without indentation and line ends."""
    (definition,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: " ".join(below.value.value.split())
        for field, below in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
