"""The name that somebody most likely meant, where the one that is typed is not known."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches

from closeout.errors import CloseoutError

_LIKENESS = 0.5


def nearest(word: str, known: Sequence[str], likeness: float = 0.0) -> str:
    """Return the known name that a word comes nearest to, empty where none is that much alike.

    `likeness` is from 0, where any name will do, to 1; of equals the first one is taken.
    """
    found = get_close_matches(word, known, n=1, cutoff=likeness)
    return found[0] if found else ""


def near(word: str, known: Iterable[str]) -> str:
    """Return the known name that a word comes nearest to, empty where none is near."""
    return nearest(word, sorted(known), _LIKENESS)


def unknown(kind: str, word: str, known: Collection[str], more: str) -> CloseoutError:
    """Return the error for a name that is not there; `more` says where all of them are listed."""
    likely = near(word, known)
    hint = f"name {likely}, if you mean that; {more}" if likely else more
    return CloseoutError(f"{kind}-unknown", f"there is no {kind} {word}.", hint=hint)


def assert_sessions(known: Collection[str], words: Sequence[str]) -> None:
    """Raise CloseoutError("session-unknown") for a name after `-s` that is no session of Nox."""
    asked = False
    for word in words:
        if word.startswith("-"):
            asked = word in {"-s", "--session", "--sessions"}
        elif asked and word.partition("-")[0].partition("(")[0] not in known:
            raise unknown("session", word, known, "nox --list shows all sessions.")
