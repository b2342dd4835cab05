"""Say what a fallback in code is, and how it goes: the same for every language."""

from __future__ import annotations

import re
from dataclasses import dataclass

from closeout.fs.text_edit import Splice

_GUEST = re.compile(r"^(amqps?://)guest:guest@", re.IGNORECASE)
_PASSWORD = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^/\s@:]*:)[^/\s@]+(?=@)", re.IGNORECASE)


_OTHERS = frozenset(
    {"DB", "DATABASE", "POSTGRES", "POSTGRESQL", "PG", "MYSQL", "MONGO", "MONGODB", "REDIS"}
    | {"VALKEY", "RABBITMQ", "AMQP", "MQTT", "SMTP", "MAIL", "AWS", "S3", "MINIO"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenDefault:
    """A usable secret that code falls back to where its variable is not set."""

    name: str
    literal: str
    line: int
    place: tuple[int, int]
    """The bytes of the literal's text."""
    required: tuple[Splice, ...] = ()
    """What has the code demand the variable; nothing where that is not safe."""
    optional: tuple[Splice, ...] = ()
    """What has it go on without a value; nothing where it could not."""
    is_at_load: bool = True
    """Whether it is read as the program loads, maybe ahead of a developer's `.env`."""
    is_script: bool = False
    """Whether people run its file, and nothing imports it."""
    is_needed: bool = True
    """Whether the code does something with the value."""

    @property
    def may_be_empty(self) -> bool:
        """Return whether somebody else checks it, so that an empty one opens nothing.

        A key that the program signs or compares with would be as well known empty as written out.
        """
        is_anothers = not _OTHERS.isdisjoint(self.name.split("_"))
        return "://" in self.literal or (is_anothers and not self.name.endswith("_SECRET"))

    @property
    def bare(self) -> Splice | None:
        """Return what drops an account that every client of the protocol tries by itself."""
        if not _GUEST.match(self.literal):
            return None
        start, end = self.place
        return Splice(start=start, end=end, text=_GUEST.sub(r"\1", self.literal))


def masked(literal: str) -> str:
    """Return what an example says instead: an address without its password, else a placeholder."""
    if "://" not in literal:
        return "<generate-secure-random-string>"
    return _PASSWORD.sub(r"\g<before><password>", literal)
