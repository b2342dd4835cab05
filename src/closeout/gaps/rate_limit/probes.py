"""Sign in badly, often and in disguise; then make sure that honest people still get in."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence

from closeout.gaps.rate_limit.detect import IDENTITY, LOGIN, REFRESH
from closeout.gaps.rate_limit.probing.deployed import DEPLOYED_PROBES
from closeout.gaps.rate_limit.probing.hostile_input import INPUT_PROBES
from closeout.gaps.rate_limit.probing.proxies import PROXY_PROBES
from closeout.gaps.rate_limit.probing.replicas import REPLICA_PROBES
from closeout.gaps.rate_limit.probing.visitors import (
    LIMITED,
    OK,
    REFUSED,
    WRONG,
    Visitors,
    five_then_limited,
)
from closeout.harness.boot import launch_of
from closeout.harness.http import Answer, Request, judged, summary, tally
from closeout.harness.service_database import PASSWORD
from closeout.harness.service_log import log_of
from closeout.model import Observation, Probe, ProbeContext

_WINDOW = 15 * 60
_AT_ONCE = 60
"""Seconds that six sign-ins in a row take at most: what is left of the window after them."""
_LOGIN_COMMAND = Request(method="POST", path=LOGIN).command(IDENTITY)
_RENEWAL = Request(method="POST", path=REFRESH).command(IDENTITY)

_slots = itertools.count()

Finding = tuple[Sequence[str], str]
"""What is wrong, and what was seen."""


def _probe(
    name: str,
    criterion: str,
    expected: str,
    ask: Callable[[Visitors], Finding],
    *,
    command: str = _LOGIN_COMMAND,
) -> Probe:
    slot = next(_slots)

    def run(context: ProbeContext) -> Observation:
        faults, seen = ask(Visitors(context=context, slot=slot))
        return judged(expected=expected, command=command, faults=faults, seen=seen)

    return Probe.of(IDENTITY, f"rate-limit.{name}", criterion, run)


def _statuses(answers: Sequence[Answer]) -> list[int]:
    return [answer.status for answer in answers]


def _five_then_limited(statuses: Sequence[int]) -> Finding:
    return five_then_limited(statuses), tally(statuses)


def _all_in(statuses: Sequence[int]) -> Finding:
    return ([] if set(statuses) == {OK} else [tally(statuses)]), tally(statuses)


def _limited(statuses: Sequence[int], fault: str) -> Finding:
    return ([] if LIMITED in statuses else [fault]), tally(statuses)


def _ten_bad(visitors: Visitors) -> Finding:
    email = visitors.email()
    return _five_then_limited(_statuses([visitors.sign_in(email) for _ in range(10)]))


def _as_the_order_asks(visitors: Visitors) -> Finding:
    answers = [visitors.sign_in("test@test.com", "wrong") for _ in range(10)]
    return _five_then_limited(_statuses(answers))


def _the_refusal(visitors: Visitors) -> Finding:
    email = visitors.email()
    answer = [visitors.sign_in(email) for _ in range(6)][-1]
    wait = answer.value("retry-after") or ""
    named = any(name.startswith("ratelimit") for name, _ in answer.headers)
    checks = {
        f"status {answer.status}": answer.status == LIMITED,
        "no TOO_MANY_REQUESTS": b'"TOO_MANY_REQUESTS"' in answer.body,
        f"Retry-After {wait!r}": wait.isdigit() and _WINDOW - _AT_ONCE <= int(wait) <= _WINDOW,
        "no RateLimit header": named,
        "the account is in the answer": email.encode() not in answer.body,
        "no security headers": answer.value("x-content-type-options") == "nosniff",
    }
    faults = [fault for fault, holds in checks.items() if not holds]
    return faults, f"{summary(answer)}, {answer.body[:120].decode(errors='replace')}"


def _spellings(email: str) -> list[str]:
    name, _, host = email.partition("@")
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in name)
    return [
        email.upper(),
        f"  {email}",
        f"{email}\t",
        f"{name}\u200b@{host}",
        f"\ufeff{email}",
        f"{wide}@{host}",
        f"{name[0].upper()}{name[1:]}@{host}",
        f"{name}\u00ad@{host}",
        f"{email}\u2060",
    ]


def _many_spellings(visitors: Visitors) -> Finding:
    statuses = _statuses([visitors.sign_in(text) for text in _spellings(visitors.email())])
    fine = set(statuses[:5]) <= {REFUSED, 400} and set(statuses[5:]) <= {LIMITED, 400}
    return ([] if fine and LIMITED in statuses else [tally(statuses)]), tally(statuses)


def _other_account(visitors: Visitors) -> Finding:
    attacked, other = visitors.email(0), visitors.email(1)
    bad = _statuses([visitors.sign_in(attacked) for _ in range(7)])
    good = visitors.sign_in(other, PASSWORD).status
    faults = [] if bad[-1] == LIMITED else [f"the attacked account: {tally(bad)}"]
    faults += [] if good == OK else [f"another account at that address: {good}"]
    return faults, f"attacked {tally(bad)}, another account {good}"


def _rotating_addresses(visitors: Visitors) -> Finding:
    email = visitors.email()
    statuses = [
        visitors.sign_in(email, place=place).status for place in range(15) for _ in range(5)
    ]
    return _limited(statuses, "75 bad sign-ins of one account from 15 addresses passed")


def _many_accounts(visitors: Visitors) -> Finding:
    statuses = _statuses([visitors.sign_in(f"nobody{n}@probe.example") for n in range(60)])
    return _limited(statuses, "60 accounts tried from one address")


def _forwarded(visitors: Visitors) -> Finding:
    """Forge what stands left of the entries that the deployment's own proxies write."""
    email = visitors.email()
    hops = launch_of(visitors.context, IDENTITY).environment.get("TRUST_PROXY_HOPS", "")
    written = "".join(f", 192.0.2.{1 + hop}" for hop in range(int(hops or 0)))
    statuses = [
        visitors.sign_in(
            email, headers=[("X-Forwarded-For", f"203.0.113.{n}, 198.51.100.{n}{written}")]
        ).status
        for n in range(10)
    ]
    return _five_then_limited(statuses)


def _good_sign_ins(visitors: Visitors) -> Finding:
    return _all_in(_statuses([visitors.sign_in(visitors.email(), PASSWORD) for _ in range(12)]))


def _office(visitors: Visitors) -> Finding:
    return _all_in([visitors.sign_in(visitors.email(n), PASSWORD).status for n in range(30)])


def _mistyped(visitors: Visitors) -> Finding:
    email = visitors.email()
    statuses = [visitors.sign_in(email, word).status for word in (WRONG, WRONG, PASSWORD)]
    right = [REFUSED, REFUSED, OK]
    return ([] if statuses == right else [tally(statuses)]), tally(statuses)


def _victim(visitors: Visitors) -> Finding:
    email = visitors.email()
    bad = [visitors.sign_in(email, place=1).status for _ in range(30)]
    good = visitors.sign_in(email, PASSWORD, place=2).status
    return ([] if good == OK else [f"the owner: {good}"]), f"attacker {tally(bad)}, owner {good}"


def _refresh_limited(visitors: Visitors) -> Finding:
    statuses = [visitors.renew("not.a.token").status for _ in range(40)]
    return _limited(statuses, "40 bad renewals passed")


def _refresh_guesses(visitors: Visitors) -> Finding:
    statuses = [visitors.renew(f"not.a.token{n}").status for n in range(60)]
    return _limited(statuses, "60 different guesses passed")


def _refresh_junk_email(visitors: Visitors) -> Finding:
    statuses = [
        visitors.renew(f"not.a.token{n}", extra={"email": f"{n}@junk.example"}).status
        for n in range(60)
    ]
    return _limited(statuses, "a changing email field frees /refresh")


def _office_renews(visitors: Visitors) -> Finding:
    tokens = [visitors.tokens(visitors.email(n)) for n in range(12)]
    return _all_in([visitors.renew(token).status for token in tokens for _ in range(4)])


def _separate(visitors: Visitors) -> Finding:
    email = visitors.email()
    token = visitors.tokens(email)
    bad = [visitors.sign_in(email).status for _ in range(8)]
    renewed = visitors.renew(token).status
    return (
        [] if renewed == OK else [f"renewal: {renewed}"],
        f"sign-ins {tally(bad)}, renewal {renewed}",
    )


def _address_as_email(visitors: Visitors) -> Finding:
    names = (visitors.address(), f"::ffff:{visitors.address()}")
    bad = [visitors.sign_in(name).status for name in names for _ in range(6)]
    good = visitors.sign_in(visitors.email(), PASSWORD).status
    return ([] if good == OK else [f"a person there: {good}"]), f"{tally(bad)}, a person {good}"


def _boot_log(context: ProbeContext) -> Observation:
    text = log_of(context, IDENTITY)
    found = re.findall(r"ERR_ERL_\w+|ValidationError", text)
    return judged(
        expected="no warning of the limiter about its own configuration",
        command=f"read the log of {IDENTITY}",
        faults=sorted(set(found)),
        seen=f"{len(text)} bytes of log",
    )


PROBES = (
    _probe("sixth-bad-login", "2.1", "401 five times, then 429", _ten_bad),
    _probe("order-test-plan", "M.2", "401 five times, then 429", _as_the_order_asks),
    _probe("ten-bad-logins", "M.2", "401 five times, then 429", _ten_bad),
    _probe(
        "the-429",
        "2.1",
        "TOO_MANY_REQUESTS, Retry-After of 15 minutes, RateLimit headers",
        _the_refusal,
    ),
    _probe("many-accounts", "2.1", "429 before 60 accounts are tried", _many_accounts),
    _probe("forged-forwarding", "2.1", "X-Forwarded-For changes nothing", _forwarded),
    _probe("good-logins", "2.1", "twelve good sign-ins pass", _good_sign_ins),
    _probe("office-logins", "2.1", "thirty people at one address sign in", _office),
    _probe("mistyped-twice", "2.1", "401, 401, 200", _mistyped),
    _probe("many-spellings", "2.3", "every spelling counts for one account", _many_spellings),
    _probe("rotating-addresses", "2.3", "429 before 75 tries", _rotating_addresses),
    _probe("other-account-free", "2.3", "one account is limited, not its address", _other_account),
    _probe("victim-gets-in", "2.3", "the owner signs in from elsewhere", _victim),
    _probe(
        "address-as-email", "2.3", "an address as account collides with nothing", _address_as_email
    ),
    _probe("refresh-limited", "2.2", "429 before 40 tries", _refresh_limited, command=_RENEWAL),
    _probe("refresh-guesses", "2.2", "429 before 60 guesses", _refresh_guesses, command=_RENEWAL),
    _probe(
        "refresh-junk-email", "2.2", "429 before 60 guesses", _refresh_junk_email, command=_RENEWAL
    ),
    _probe("office-renews", "2.2", "48 good renewals pass", _office_renews, command=_RENEWAL),
    _probe(
        "separate-buckets", "2.2", "bad sign-ins leave renewal alone", _separate, command=_RENEWAL
    ),
    Probe.of(IDENTITY, "rate-limit.boot-log", "2.1", _boot_log),
    *INPUT_PROBES,
    *DEPLOYED_PROBES,
    *REPLICA_PROBES,
    *PROXY_PROBES,
)
