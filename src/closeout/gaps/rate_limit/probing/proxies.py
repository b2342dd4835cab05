"""Stand behind proxies: what they write counts where they are trusted, however they write it."""

from __future__ import annotations

from contextlib import ExitStack

from closeout.gaps.rate_limit.detect import GATEWAY, IDENTITY
from closeout.gaps.rate_limit.probing.replicas import COMMAND, log_of_replica, own_boot, replicas
from closeout.gaps.rate_limit.probing.visitors import OK, REFUSED, WRONG, five_then_limited, login
from closeout.harness.http import judged, send, tally
from closeout.harness.service_database import PASSWORD, account
from closeout.model import Observation, Probe, ProbeContext

_SPELLINGS = (
    *("203.0.113.7:4{n}", "203.0.113.8", "[2001:db8:0:1::7]:4{n}", '"[2001:DB8:0:2::7]:4{n}"'),
    *("[2001:db8:0:3::7]", "::ffff:203.0.113.9", "[::ffff:203.0.113.10]:4{n}"),
    *("::ffff:cb00:710b", "2001:0db8:0000:4::{n}", "fe80:0:0:5::7%eth{n}"),
)
"""How proxies write one client's address, `n` being another for each of its connections."""

_NONE = ("unknown", "_hidden{n}", "client-{n}", "203.0.113.256", "for=203.0.113.{n}", "[::1")
"""What no client's address looks like: the proxy itself counts then."""


def _hops(context: ProbeContext) -> Observation:
    expected = (
        "behind one trusted proxy: the client it names counts, what the client forged does not"
    )
    with ExitStack() as stack:
        urls = replicas(stack, context, 1, {"TRUST_PROXY_HOPS": "1"})
        body = {"email": account(188), "password": WRONG}

        def tried(chain: str) -> int:
            request = login(body, "127.254.5.1", [("X-Forwarded-For", chain)])
            return send(urls[0], request).status

        forged = [tried(f"203.0.113.{n}, 198.51.100.7") for n in range(8)]
        other = tried("198.51.100.8")
        # All of a /64 belongs to one household: rotating inside it must not help.
        sixty_four = [tried(f"2001:db8:0:7::{n:x}") for n in range(1, 9)]
        faults = [f"forged left part: {told}" for told in five_then_limited(forged)]
    faults += [] if other == REFUSED else [f"another client of that proxy: {other}"]
    faults += [f"one IPv6 /64: {told}" for told in five_then_limited(sixty_four)]
    seen = f"forged {tally(forged)}, other client {other}, one /64 {tally(sixty_four)}"
    return judged(expected=expected, command=COMMAND, faults=faults, seen=seen)


def _spellings(context: ProbeContext) -> Observation:
    expected = "one client is one client, however its proxy writes the address"
    faults = []
    with ExitStack() as stack:
        urls = replicas(stack, context, 1, {"TRUST_PROXY_HOPS": "1"})
        for number, spelled in enumerate((*_SPELLINGS, *_NONE)):
            body = {"email": account(140 + number), "password": WRONG}
            statuses = [
                send(
                    urls[0],
                    login(body, "127.254.7.1", [("X-Forwarded-For", spelled.format(n=n))]),
                ).status
                for n in range(8)
            ]
            faults += [f"{spelled}: {told}" for told in five_then_limited(statuses)]
    seen = "; ".join(faults) or f"{len(_SPELLINGS) + len(_NONE)} spellings, five tries each"
    return judged(expected=expected, command=COMMAND, faults=faults, seen=seen)


def _untold(context: ProbeContext) -> Observation:
    expected = "behind a proxy that nobody trusts 40 people mistype, and the next gets in"
    with ExitStack() as stack:
        urls = replicas(stack, context, 1, {"TRUST_PROXY_HOPS": ""})
        faults, seen = _crowd(urls[0], "127.254.8.1", "{person}")
        said = log_of_replica(context).count("forwards for others and is not trusted")
    faults += [] if said == 1 else [f"the log says it {said} times"]
    return judged(expected=expected, command=COMMAND, faults=faults, seen=seen)


def _one_proxy_more(context: ProbeContext) -> Observation:
    expected = "one proxy more than was told of: 40 people behind it mistype, and the next gets in"
    with ExitStack() as stack:
        urls = replicas(stack, context, 1, {"TRUST_PROXY_HOPS": "1"})
        faults, seen = _crowd(urls[0], "127.254.10.1", "{person}, 10.0.0.2")
    return judged(expected=expected, command=COMMAND, faults=faults, seen=seen)


def _crowd(url: str, proxy: str, chain: str) -> tuple[list[str], str]:
    """Let 40 people mistype behind the address `proxy`, and one more sign in.

    `chain` is what stands in X-Forwarded-For. Returns what is wrong, and what was seen.
    """

    def tried(number: int, password: str) -> int:
        body = {"email": account(100 + number), "password": password}
        forwarded = [("X-Forwarded-For", chain.format(person=f"198.51.100.{number}"))]
        return send(url, login(body, proxy, forwarded)).status

    statuses = [tried(number, WRONG) for number in range(40)]
    good = tried(40, PASSWORD)
    faults = [] if set(statuses) == {REFUSED} else [tally(statuses)]
    faults += [] if good == OK else [f"the right password: {good}"]
    return faults, f"mistyped {tally(statuses)}, then right {good}"


def _behind_the_gateway(context: ProbeContext) -> Observation:
    expected = "through the gateway 20 people mistype and the next gets in; one account's 6th: 429"
    with ExitStack() as stack:
        (identity,) = replicas(stack, context, 1, {"TRUST_PROXY_HOPS": "1"})
        settings = {"IDENTITY_BASE_URL": identity}
        (gateway,) = replicas(stack, context, 1, settings, GATEWAY)

        def tried(number: int, password: str, home: int) -> int:
            body = {"email": account(number), "password": password}
            return send(gateway, login(body, f"127.254.9.{home}")).status

        mistyped = [tried(200 + number, WRONG, 1 + number) for number in range(20)]
        good = tried(220, PASSWORD, 21)
        guessed = [tried(221, WRONG, 22) for _ in range(6)]
        owner = tried(221, PASSWORD, 23)
    right = {
        f"mistyped {tally(mistyped)}": set(mistyped) == {REFUSED},
        f"the right password {good}": good == OK,
        f"six guesses {tally(guessed)}": not five_then_limited(guessed),
        f"the owner, from elsewhere, {owner}": owner == OK,
    }
    faults = [fault for fault, holds in right.items() if not holds]
    return judged(expected=expected, command=COMMAND, faults=faults, seen="; ".join(right))


PROXY_PROBES = tuple(
    Probe.of(IDENTITY, f"rate-limit.{name}", criterion, own_boot(run), *more)
    for name, criterion, run, more in (
        ("trusted-proxy", "2.1", _hops, ()),
        ("forwarded-spellings", "2.1", _spellings, ()),
        ("untold-proxy", "2.1", _untold, ()),
        ("one-proxy-more", "2.1", _one_proxy_more, ()),
        ("behind-the-gateway", "2.3", _behind_the_gateway, (GATEWAY,)),
    )
)
