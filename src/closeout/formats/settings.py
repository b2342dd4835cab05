"""Name a variable that fixed code reads, and say what each sort of file says of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from closeout.fs.text_edit import Splice

_PLACEHOLDER = re.compile(rb"^<.*>$|^$|change[-_]?me|replace|placeholder|your[-_ ]", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A variable that fixed code reads, and what each sort of file says of it.

    A service that takes a secret has an example with a placeholder for it, and its chart takes it
    from where the last of the other secrets comes from.
    """

    name: str
    value: str | None = None
    """In compose; None hands on what the caller's environment says."""
    example: str = ""
    """Lines of an env example: a comment and the assignment."""
    chart: str = ""
    """Lines below a chart's plain variables; empty where charts are not told."""
    is_secret: bool = False
    below: str = ""
    """The variable below which an example names it: two gaps' lines would meet at the end."""

    @property
    def reference(self) -> str:
        """Return how compose takes the variable of its own name, without a value of its own."""
        return f"${{{self.name}}}"

    @property
    def is_optional(self) -> bool:
        """Return whether the service starts without it."""
        return ":-" in (self.value or "")

    def assigned(self, content: bytes) -> re.Match[bytes] | None:
        """Return the assignment in an env example, its value as the first group."""
        pattern = rb"^(?:export )?%s=([^\r\n]*)" % self.name.encode()
        return re.search(pattern, content, re.MULTILINE)

    def is_named(self, content: bytes) -> bool:
        """Return whether an env example speaks of it, of one with a default in a comment too."""
        named = self.name.encode() in content
        return named if self.is_optional else bool(self.assigned(content))

    def exposed(self, content: bytes) -> re.Match[bytes] | None:
        """Return the assignment in an env example that gives a secret a value."""
        found = self.assigned(content) if self.is_secret else None
        return found if found and not _PLACEHOLDER.search(found[1].strip(b"\"' ")) else None

    def added(self, content: bytes, companions: Iterable[Setting]) -> Splice:
        """Return the splice that names it in an env example, below companions not named there."""
        lacking = [item.example for item in companions if not item.is_named(content)]
        text = "\n".join([*lacking, self.example])
        above = re.search(rb"^%s=[^\r\n]*" % self.below.encode(), content, re.MULTILINE)
        if above is not None and self.below:
            return Splice(start=above.end(), end=above.end(), text=f"\n{text}")
        blank = "\n" if self.below and content else ""
        ended = content.endswith(b"\n") or not content
        text = f"{blank}{text}\n" if ended else f"\n{blank}{text}"
        return Splice(start=len(content), end=len(content), text=text)


def is_placeholder(value: str) -> bool:
    """Return whether a value only holds a secret's place."""
    return bool(_PLACEHOLDER.search(value.encode()))
