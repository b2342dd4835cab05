"""Read foreign JSON: whatever is wrong with it is one kind of error."""

from __future__ import annotations

import json
from typing import Any


def loads(content: bytes) -> Any:  # noqa: ANN401 - JSON may hold anything
    """Return the value; raises ValueError for what is no JSON, no UTF-8, or nested too deeply."""
    try:
        return json.loads(content)
    except RecursionError as error:
        raise json.JSONDecodeError("nested too deeply", "", 0) from error
