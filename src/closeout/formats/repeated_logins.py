"""Find the documents that repeat a password which a fix took out, in an address or a login.

Such a page teaches no default, and what it says worked until the fix: a line to copy opens nothing
any more. A page is told once. Other users' passwords, placeholders and what goes on working are
left alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.formats.taught_defaults import DOCUMENTS, PASSWORD, distance, is_document
from closeout.fs.prefilter import holds_in_any_case, question
from closeout.model import Reason, Tree, Unresolved

_ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<user>[^/\s@:`'\"]*):(?P<password>[^/\s@`'\"]+)@",
    re.IGNORECASE,
)
_LOGIN = re.compile(
    r"\b(?:log(?:ged)?[ -]?in|sign(?:ed)?[ -]?in|credentials?)\b[^/\n]*?"
    r"(?P<user>[\w.@-]+)[`'\"*]*[ \t]*/[ \t]*[`'\"*]*(?P<password>[^\s`'\",;)|*]+)",
    re.IGNORECASE,
)
_USER = re.compile(
    r"\buser(?:[ _-]?name)?\b[`'\"*]*[ \t]*[:=][ \t]*[`'\"*]*(?P<user>[\w.@-]+)", re.IGNORECASE
)
_SHORTEST = 6
"""A password with fewer characters is a word that stands anywhere."""

_REPEATS = question(
    DOCUMENTS, lambda content: holds_in_any_case(content, (b"://", b"pass", b"/")), is_document
)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TakenLogin:
    """A user's password that a fix took out of a file, with the variable that held it."""

    path: PurePosixPath
    name: str
    software: str
    user: str
    secret: str

    @property
    def opened(self) -> tuple[str, str, str]:
        """Return what it opened: the software, and the user with the password."""
        return self.software, self.user, self.secret


def repeating(
    tree: Tree,
    taken: Collection[TakenLogin],
    software_of: Callable[[str], str],
    told: Collection[tuple[PurePosixPath, int]],
) -> Iterator[Unresolved]:
    """Yield where each of the tree's documents first repeats a login; `told` are said already.

    `software_of` names the software of an address's scheme.
    """
    by_secret: dict[str, list[TakenLogin]] = defaultdict(list)
    for item in taken:
        if len(item.secret) >= _SHORTEST and item.user:
            by_secret[item.secret].append(item)
    for path in tree.candidates(_REPEATS) if by_secret else ():
        text = (tree.read(path) or b"").decode("utf-8", "replace")
        known = {
            secret: sorted(items, key=lambda item: distance(item.path, path))
            for secret, items in by_secret.items()
            if secret in text
        }
        passed = {line for where, line in told if where == path} if known else set()
        for line, item in _repeated(text, known, software_of) if known else ():
            if line not in passed:
                yield Unresolved(
                    path=path,
                    reason=Reason.AMBIGUOUS,
                    line=line,
                    detail=f"repeats the password that {item.name} had in {item.path}",
                    hint="write a placeholder there, and say that the password is in the .env "
                    "beside the compose file.",
                )
                break


def _repeated(
    text: str, known: Mapping[str, Sequence[TakenLogin]], software_of: Callable[[str], str]
) -> Iterator[tuple[int, TakenLogin]]:
    """Yield the lines that repeat a login, each with that of `known` which it is."""
    for number, line in enumerate(text.splitlines(), start=1):
        here = [item for secret, items in known.items() if secret in line for item in items]
        if not here:
            continue
        opened = {
            (software_of(match["scheme"].partition("+")[0]), match["user"], match["password"])
            for match in _ADDRESS.finditer(line)
        }
        said = {(match["user"], match["password"].rstrip(".")) for match in _LOGIN.finditer(line)}
        users = {match["user"] for match in _USER.finditer(line)}
        passwords = {match["value"].rstrip(".") for match in PASSWORD.finditer(line)}
        said |= {(user, password) for user in users for password in passwords}
        found = [item for item in here if item.opened in opened or (item.user, item.secret) in said]
        if found:
            # Several servers may have one password: the line's own goes first.
            low = line.lower()
            yield number, min(found, key=lambda item: item.software.lower() not in low)
