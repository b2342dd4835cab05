"""Sign in badly with the numbers that the tree's own deployments give the limiter."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import PurePosixPath

from closeout.formats.deployed import environments
from closeout.fs.tree import DiskTree
from closeout.gaps.rate_limit.detect import IDENTITY
from closeout.gaps.rate_limit.express.limiters import limiters
from closeout.gaps.rate_limit.express.routes import auth_routes
from closeout.gaps.rate_limit.probing.replicas import COMMAND, own_boot, replicas
from closeout.gaps.rate_limit.probing.visitors import WRONG, five_then_limited, login
from closeout.harness.http import judged, send, tally
from closeout.model import Observation, Probe, ProbeContext, Tree

_TRIES = 10
_HERE = "as it runs here"


def numbers(tree: Tree) -> Mapping[str, Mapping[str, str]]:
    """Return the numbers that each deployment gives the limiters of sign-ins, by its file.

    Where a limit cannot be followed to its variable, every number that is no port may be it. A
    deployment that gives what another does is told with that one.
    """
    found = [
        (route, item)
        for route in auth_routes(tree)[0]
        if IDENTITY in route.path.parts
        for guard in route.guards
        for item in limiters(tree, guard.path, guard.text)
    ]
    asked = {name for _, item in found for name in item.variables}
    is_hidden = any(item.limit is None for _, item in found)
    by_numbers: dict[tuple[tuple[str, str], ...], str] = {}
    for folder in {_service(route.path) for route, _ in found}:
        for deployed in environments(tree, folder):
            given = tuple(
                (name, text)
                for name, text in sorted(deployed.variables.items())
                if name in asked or (is_hidden and text.isdigit() and "PORT" not in name)
            )
            by_numbers.setdefault(given, str(deployed.source))
    return {source: dict(given) for given, source in by_numbers.items() if given}


def _service(path: PurePosixPath) -> PurePosixPath:
    return next(parent for parent in path.parents if parent.name == IDENTITY)


def _as_deployed(context: ProbeContext) -> Observation:
    statuses = {}
    for number, (source, given) in enumerate(numbers(DiskTree(context.root)).items()):
        with ExitStack() as stack:
            (url,) = replicas(stack, context, 1, given)
            statuses[source] = _try(url, number)
    statuses = statuses or {_HERE: _try(context.services[IDENTITY], 0)}
    seen = "; ".join(f"{source}: {tally(answers)}" for source, answers in statuses.items())
    return judged(
        expected="401 five times, then 429, with the numbers of every deployment",
        command=COMMAND,
        faults=[source for source, answers in statuses.items() if five_then_limited(answers)],
        seen=seen,
    )


def _try(url: str, number: int) -> list[int]:
    body = {"email": f"deployed{number}@probe.example", "password": WRONG}
    return [send(url, login(body, "127.253.1.1")).status for _ in range(_TRIES)]


DEPLOYED_PROBES = (Probe.of(IDENTITY, "rate-limit.as-deployed", "2.1", own_boot(_as_deployed)),)
