"""Read foreign JSON: whatever is wrong with it is one kind of error."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


class RepeatedNameError(ValueError):
    """An object that holds a name twice: readers differ in which they take."""


def loads(content: bytes | str, made: Callable[..., Any] | None = None) -> Any:  # noqa: ANN401 - JSON may hold anything
    """Return the value; raises ValueError for what is no JSON, no UTF-8, or nested too deeply.

    Python's own reader takes `NaN` and `Infinity`, which are no JSON.
    """
    try:
        return json.loads(content, object_pairs_hook=made, parse_constant=_refused)
    except RecursionError as error:
        raise json.JSONDecodeError("nested too deeply", "", 0) from error


def mapping(content: bytes | None) -> dict[str, Any]:
    """Return the object that `content` is; nothing where it is none."""
    try:
        read = loads(content or b"{}")
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object that `loads` made; raises RepeatedNameError where a name stands twice."""
    if len(found := dict(pairs)) < len(pairs):
        message = "an object in it holds a name twice"
        raise RepeatedNameError(message)
    return found


def _refused(constant: str) -> float:
    message = f"{constant} is no JSON"
    raise ValueError(message)
