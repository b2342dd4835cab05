"""Read passwords that a page fills into its form before anybody has typed one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from closeout.fs.text_edit import line_number
from closeout.gaps.external_secrets.inventory.names import is_usable

SUFFIXES = frozenset({".tsx", ".jsx"})
_STATE = re.compile(
    rb"\[[ \t]*(?P<name>\w*[pP]assword)[ \t]*,[ \t]*\w+[ \t]*\][ \t]*=[ \t]*(?:\w+\.)?useState"
    rb"(?:<[^>\n]*>)?\([ \t]*(?P<quote>['\"])(?P<value>[^'\"\n]+)(?P=quote)"
)
_DEFAULTS = re.compile(rb"\b(?:defaultValues|initialValues)[ \t]*[:=][ \t]*\{+(?P<held>[^{}]*)\}")
_FIELD = re.compile(
    rb"\b(?P<name>\w*[pP]assword)[ \t]*:[ \t]*(?P<quote>['\"])(?P<value>[^'\"\n]+)(?P=quote)"
)


def may_prefill(content: bytes) -> bool:
    """Return whether `prefilled` may find something in these bytes."""
    return b"assword" in content and any(
        word in content for word in (b"useState", b"defaultValues", b"initialValues")
    )


def prefilled(content: bytes) -> Iterator[re.Match[bytes]]:
    """Yield every usable password that a form starts with; its `value` is the password."""
    if not may_prefill(content):
        return
    fields = (
        match
        for held in _DEFAULTS.finditer(content)
        for match in _FIELD.finditer(content, *held.span("held"))
    )
    for match in (*_STATE.finditer(content), *fields):
        if is_usable("PASSWORD", match["value"].decode("utf-8", "replace")):
            yield match


def in_page(content: bytes) -> Iterator[tuple[str, int]]:
    """Yield the passwords of `prefilled` by name and line."""
    for match in prefilled(content):
        yield "a form's password", line_number(content, match.start("name"))
