"""The files that this installation brings: patches, templates, suites, the reference monorepo."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from closeout.errors import CloseoutError, ExitCode

if TYPE_CHECKING:
    from jinja2 import Environment, TemplateError

_CHECKOUT = Path(__file__).resolve().parents[2]
_WHEEL = Path(__file__).resolve().parent / "_bundle"

BUNDLE = _CHECKOUT if (_CHECKOUT / "reference").is_dir() else _WHEEL
"""The project's checkout, or the copy that the wheel carries."""

_SOURCES: dict[bytes, str] = {}
"""What gave each text, by the text's digest: who edits a rendered file is sent to its template."""


@cache
def environment() -> Environment:
    """Return the environment that templates are rendered in; it is made once."""
    # Environments are made from here before anything is installed.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - as above

    made = Environment(
        loader=FileSystemLoader(BUNDLE / "templates"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - the output is YAML, Python and configuration, not HTML
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        optimized=False,  # most templates are rendered once
    )
    made.filters["quoted"] = json.dumps
    return made


def render(template: str, values: Mapping[str, object]) -> bytes:
    """Return `templates/<template>` rendered with `values`, as UTF-8.

    `template` is a path below `templates/`, such as `cors/cors.py.j2`. The filter `quoted`
    writes a value as a JSON (and so YAML and Python) literal.
    Raises CloseoutError("template-broken") for a missing template or an undefined name.
    """
    from jinja2 import TemplateError  # noqa: PLC0415 - as above

    try:
        made = environment().get_template(template).render(values).encode()
    except TemplateError as error:
        raise broken_template(template, error) from error
    _SOURCES[_digest(made)] = f"templates/{template}"
    return made


def source_of(content: bytes) -> str:
    """Return the template or script that gave `content` in this process, empty where none did."""
    return _SOURCES.get(_digest(content), "")


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


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


def broken_template(template: str, error: TemplateError) -> CloseoutError:
    """Return the error that a template asks for which cannot be rendered."""
    return CloseoutError(
        "template-broken",
        f"templates/{template}: {error}",
        hint="restore the template, or give the value it names.",
        exit_code=ExitCode.OWN_BUG,
    )
