"""Fill the settings that a service demands and nobody gave, by their types and names.

Imported by the Python launcher inside the service's environment: standard library, and pydantic's
settings where the service has them. What was filled in, and what of the service's own settings had
to be replaced, stands in `filled` and `replaced`.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import secrets
from typing import Any

filled: list[str] = []
replaced: list[str] = []

_NOWHERE = "127.0.0.1:9"
"""A port of this machine that answers nothing."""

_SCHEMES = (
    ("postgres", f"postgresql://probe:probe@{_NOWHERE}/probe"),
    ("database", f"postgresql://probe:probe@{_NOWHERE}/probe"),
    ("db_", f"postgresql://probe:probe@{_NOWHERE}/probe"),
    ("rabbit", f"amqp://probe:probe@{_NOWHERE}"),
    ("amqp", f"amqp://probe:probe@{_NOWHERE}"),
    ("redis", f"redis://{_NOWHERE}/0"),
    ("mqtt", f"mqtt://{_NOWHERE}"),
    ("mongo", f"mongodb://{_NOWHERE}/probe"),
)
_PLACES = ("url", "uri", "dsn", "endpoint", "base", "origin", "database")
_SECRETS = ("secret", "key", "token", "password", "salt")
_ORIGINS = ("origins",)


def value_of(name: str, kind: str) -> str:
    """Return what a setting of that name and type may be, as an environment variable tells it."""
    low, type_ = name.lower(), kind.lower()
    if "bool" in type_:
        return "false"
    if "int" in type_ or low.endswith(("port", "_ms", "_seconds", "count")):
        return "9"
    if "float" in type_ or "decimal" in type_:
        return "1.0"
    if any(word in type_ for word in ("list", "tuple", "set[", "dict", "mapping")):
        return "{}" if "dict" in type_ or "mapping" in type_ else "[]"
    return _text(low)


def _text(low: str) -> str:
    if any(word in low for word in _PLACES):
        return next((url for word, url in _SCHEMES if word in low), f"http://{_NOWHERE}")
    if any(word in low for word in _SECRETS):
        return secrets.token_hex(32)
    ends = (("host", "127.0.0.1"), ("log_format", "%(message)s"), ("log_level", "INFO"))
    return next((value for end, value in ends if low.endswith(end)), "probe")


def install(allowed: list[str] | None) -> None:
    """Fill settings from here on: any that is demanded, or only those of `allowed`."""
    with contextlib.suppress(ImportError):
        _fill_settings(importlib.import_module("pydantic_settings").BaseSettings, allowed)
    _forgive_formats()


def _fill_settings(base: Any, allowed: list[str] | None) -> None:  # noqa: ANN401 - the service's library
    begin = base.__init__

    def fill(self: Any, *args: Any, **given: Any) -> None:  # noqa: ANN401 - as above
        try:
            begin(self, *args, **given)
        except ValueError as error:
            wanted = _missing(type(self), error)
            names = [name for name, _ in wanted]
            if not wanted or (allowed is not None and not set(names) <= set(allowed)):
                raise
            os.environ.update(wanted)
            filled.extend(name for name in names if name not in filled)
            begin(self, *args, **given)

    base.__init__ = fill


def _missing(settings: Any, error: ValueError) -> list[tuple[str, str]]:  # noqa: ANN401 - as above
    """Return the variables of the fields that pydantic says are missing, with a value each."""
    told: list[dict[str, Any]] = getattr(error, "errors", list)()
    if not told or any(item.get("type") != "missing" for item in told):
        return []
    prefix = str(settings.model_config.get("env_prefix") or "")
    fields = settings.model_fields
    found = []
    for item in told:
        place = str(item["loc"][0])
        name = place if place in fields else _aliased(fields, place)
        kind = str(getattr(fields.get(name), "annotation", "str"))
        variable = place if name != place else f"{prefix}{place}"
        found.append((variable.upper(), value_of(name, kind)))
    return found


def _aliased(fields: Any, alias: str) -> str:  # noqa: ANN401 - as above
    named = (name for name, field in fields.items() if alias in _names(field))
    return next(named, alias)


def _names(field: Any) -> list[str]:  # noqa: ANN401 - as above
    alias = field.validation_alias
    choices = getattr(alias, "choices", [alias])
    return [str(item) for item in choices]


def _forgive_formats() -> None:
    """Let a log format that `logging` refuses be the usual one, and say so."""
    style = logging.PercentStyle
    refuse = style.validate

    def forgive(self: logging.PercentStyle) -> None:
        try:
            refuse(self)
        except ValueError:
            told = f"log format {self._fmt!r}, with which the service would not start"
            if told not in replaced:
                replaced.append(told)
            self._fmt = style.default_format

    style.validate = forgive  # type: ignore[method-assign] # for the rest of this process
