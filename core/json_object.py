"""JSON from outside that has to be an object."""

from __future__ import annotations

import json
from typing import Any

from core.errors import KollarmError


def json_object(content: bytes | str, of: str) -> dict[str, Any]:
    """The object in a JSON text from outside.

    :param of: what the text is, for the error message.
    :raises KollarmError: it is not JSON, or another value than an object.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise KollarmError(f"{of} is damaged: it is not JSON") from error
    if not isinstance(found, dict):
        raise KollarmError(f"{of} is damaged: it is not a JSON object")
    return found
