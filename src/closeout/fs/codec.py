"""Turn our values into JSON and back, by their types."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, TypeVar

import msgspec

from closeout.console.sanitize import storable

_Value = TypeVar("_Value")


def decode(kind: type[_Value], content: bytes) -> _Value:
    """Return the value that JSON text holds; raises ValueError, which names the place in it."""
    try:
        return msgspec.json.decode(content, type=kind, dec_hook=_made)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error


def convert(kind: type[_Value], value: object) -> _Value:
    """Return the value that parsed TOML or YAML holds; raises ValueError as `decode` does."""
    try:
        return msgspec.convert(value, kind, dec_hook=_made)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error


def plain(value: object) -> Any:  # noqa: ANN401 - JSON may hold anything
    """Return a value as objects, lists and scalars, with text that any encoder takes."""
    return storable(msgspec.to_builtins(value, enc_hook=_told))


def _made(kind: type, value: object) -> object:
    if kind is PurePosixPath and isinstance(value, str):
        return PurePosixPath(value)
    message = f"expected {kind.__name__}"
    raise ValueError(message)


def _told(value: object) -> str:
    if isinstance(value, PurePosixPath):
        return str(value)
    message = f"{type(value).__name__} is no JSON"
    raise TypeError(message)
