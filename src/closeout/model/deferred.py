"""Name a value of a module that is imported only once somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def later(module: str, name: str) -> Callable[[], Any]:
    """Return a function that imports `module` when it is called, and returns its `name`.

    What probes, gates and commands need is slow to import, and no plan asks for it.
    """
    return lambda: getattr(import_module(module), name)
