"""People at their own addresses, with accounts of their own, who sign in and renew sessions.

The whole of 127/8 is local, so every probe comes from addresses that no other one uses: a
limiter's memory of one probe cannot change the answer to another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from closeout.gaps.rate_limit.detect import IDENTITY, LOGIN, REFRESH
from closeout.harness.http import JSON_HEADERS, Answer, Request, ask, tally
from closeout.harness.service_database import PASSWORD, account
from closeout.model import ProbeContext

WRONG = "wrong-horse-0"
LIMITED, REFUSED, OK = 429, 401, 200

FIRST_NETWORK = 10
ACCOUNTS_EACH = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitors:
    """The addresses and accounts of one probe; no two probes have the same `slot`."""

    context: ProbeContext
    slot: int

    def address(self, number: int = 0) -> str:
        """Return the probe's address of that number."""
        return f"127.{FIRST_NETWORK + self.slot}.0.{10 + number}"

    def email(self, number: int = 0) -> str:
        """Return the probe's account of that number, below ACCOUNTS_EACH."""
        return account(self.slot * ACCOUNTS_EACH + number)

    def sign_in(
        self,
        email: object,
        password: str = WRONG,
        *,
        place: int = 0,
        headers: Sequence[tuple[str, str]] = (),
    ) -> Answer:
        """Send one sign-in from the address of number `place`."""
        body = {"email": email, "password": password}
        return ask(self.context, IDENTITY, login(body, self.address(place), headers))

    def tokens(self, email: str) -> str:
        """Sign in rightly and return the refresh token, empty where that was refused."""
        answer = self.sign_in(email, PASSWORD)
        found = re.search(rb'"refresh_?[tT]oken":"([^"]+)"', answer.body)
        return found[1].decode() if found else ""

    def renew(self, token: object, *, extra: dict[str, object] | None = None) -> Answer:
        """Send one renewal of a session."""
        # A service reads the one spelling or the other.
        named = dict.fromkeys(("refreshToken", "refresh_token"), token)
        request = posted(REFRESH, {**named, **(extra or {})}, self.address())
        return ask(self.context, IDENTITY, request)


def login(body: object, source: str, headers: Sequence[tuple[str, str]] = ()) -> Request:
    """Return a sign-in request with `body` as JSON."""
    return posted(LOGIN, body, source, headers)


def posted(
    path: str, body: object, source: str, headers: Sequence[tuple[str, str]] = ()
) -> Request:
    """Return a POST of `body` as JSON from the address `source`."""
    return Request(
        method="POST",
        path=path,
        headers=(*JSON_HEADERS, *headers),
        body=json.dumps(body).encode(),
        source=source,
    )


def five_then_limited(statuses: Sequence[int]) -> list[str]:
    """Fault a series of failed attempts that is not refused five times, and limited then."""
    right = [REFUSED] * 5 + [LIMITED] * (len(statuses) - 5)
    return [] if list(statuses) == right else [tally(statuses)]
