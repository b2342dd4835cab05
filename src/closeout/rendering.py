"""Render Jinja2 templates: an undefined name is an error, never an empty string."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from closeout.bundle import BUNDLE
from closeout.errors import CloseoutError, ExitCode
from closeout.legible import shown

_SOURCES: dict[bytes, str] = {}
"""What gave each text, by the text's digest: who edits a rendered file is sent to its template."""


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(BUNDLE / "templates"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - the output is YAML, Python and configuration, not HTML
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["quoted"] = json.dumps
    return made


def render(template: str, values: Mapping[str, object]) -> bytes:
    """Return `templates/<template>` rendered with `values`, as UTF-8.

    `template` is a path below `templates/`, such as `cors/cors.py.j2`. The filter `quoted`
    writes a value as a JSON (and so YAML and Python) literal.
    Raises CloseoutError("template-broken") for a missing template or an undefined name.
    """
    try:
        made = _environment().get_template(template).render(values).encode()
    except TemplateError as error:
        raise _broken(template, error) from error
    _SOURCES[_digest(made)] = f"templates/{template}"
    return made


def source_of(content: bytes) -> str:
    """Return the template or script that gave `content` in this process, empty where none did."""
    return _SOURCES.get(_digest(content), "")


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def render_page(template: str, values: Mapping[str, object]) -> bytes:
    """Return `templates/<template>` as HTML, every value escaped unless it is marked as safe.

    Characters that are not shown, or that turn their neighbours round, are written as escapes.

    Raises CloseoutError("template-broken") as `render` does.
    """
    try:
        page = _environment().overlay(autoescape=True, finalize=_finalize).get_template(template)
        return page.render(values).encode()
    except TemplateError as error:
        raise _broken(template, error) from error


def _finalize(value: object) -> object:
    """Write hidden characters of a value as escapes; what is marked as safe is left as it is."""
    return shown(value) if type(value) is str else value


def verbatim(name: str) -> bytes:
    """Return a file of the bundle as it is, byte for byte.

    `name` is a path below the bundle, such as `scripts/backup-database.sh`.
    Raises CloseoutError("template-broken") where it is missing.
    """
    try:
        content = (BUNDLE / name).read_bytes()
    except OSError as error:
        raise CloseoutError(
            "template-broken",
            f"{name}: {error.strerror}",
            hint="restore the file from the project's repository.",
            exit_code=ExitCode.OWN_BUG,
        ) from error
    _SOURCES[_digest(content)] = name
    return content


def _broken(template: str, error: TemplateError) -> CloseoutError:
    return CloseoutError(
        "template-broken",
        f"templates/{template}: {error}",
        hint="restore the template, or give the value it names.",
        exit_code=ExitCode.OWN_BUG,
    )
