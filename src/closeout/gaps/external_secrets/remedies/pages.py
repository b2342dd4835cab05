"""Have a form start empty that a page filled a password into."""

from __future__ import annotations

from closeout.fs.text_edit import Splice, splice
from closeout.gaps.external_secrets.inventory.pages import prefilled


def mended(content: bytes) -> bytes:
    """Return the page with its forms' passwords blank: who signs in types one."""
    return splice(
        content,
        [
            Splice(start=match.start("value"), end=match.end("value"), text="")
            for match in prefilled(content)
        ],
    )
