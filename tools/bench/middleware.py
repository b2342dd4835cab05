"""Measure beside a peer in the same run: medians and ratios, never a pass or a fail."""

from __future__ import annotations

import os
import resource
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from closeout import process
from closeout.console.output import add, say
from closeout.errors import ExitCode
from closeout.harness import environments
from closeout.runs.workspace import REFERENCE
from tools.bench import headers

_ROUNDS = 5
_PLAN = (
    "import sys; from pathlib import Path\n"
    "from closeout.cli.commands import fix; from closeout.engine import patch_series, planner\n"
    "from closeout.gaps import GAPS; from closeout.fs.tree import DiskTree\n"
    "planner.plan(GAPS, DiskTree(Path(sys.argv[1])),"
    " lambda slug: patch_series.load(fix.PATCHES, slug))"
)
_ISSUE = (
    "import sys; from pathlib import Path; from closeout.gaps.mqtt_tls.certificates import issue\n"
    "issue(Path(sys.argv[1]))"
)
_OPENSSL = (
    "openssl genrsa -out ca.key 4096 && openssl req -x509 -new -nodes -key ca.key -sha256"
    " -days 3650 -out ca.crt -subj /CN=bench && openssl genrsa -out server.key 2048"
    " && openssl req -new -key server.key -out server.csr -subj /CN=broker"
    " && openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial"
    " -out server.crt -days 365 -sha256"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """Our command and a peer's, for the same purpose; `{new}` is a fresh folder each time."""

    title: str
    ours: tuple[str, ...]
    peer: tuple[str, ...]


CONTESTS = (
    Contest(
        title="plan all ten gaps on the reference monorepo / grep it for one literal",
        ours=(sys.executable, "-c", _PLAN, str(REFERENCE)),
        peer=("grep", "-rF", "FACTORY-SECRET", str(REFERENCE)),
    ),
    Contest(
        title="issue CA, server and client certificates / the order's openssl recipe",
        ours=(sys.executable, "-c", _ISSUE, "{new}"),
        peer=("sh", "-c", f"cd {{new}} && {_OPENSSL}"),
    ),
)


def run() -> ExitCode:
    """Print CPU and wall medians of every contest, the two commands in turn, and their ratio."""
    for contest in CONTESTS:
        ours, peer = [], []
        for _ in range(_ROUNDS):
            ours.append(_spent(contest.ours))
            peer.append(_spent(contest.peer))
        say(contest.title)
        for number, name in enumerate(("CPU", "wall")):
            mine = statistics.median(each[number] for each in ours)
            theirs = statistics.median(each[number] for each in peer)
            ratio = f"{mine / theirs:.2f}" if theirs else "-"
            add("measured", {"title": contest.title, "of": name, "ours": mine, "peer": theirs})
            say(f"  {name:<4} ours {mine:.3f} s, peer {theirs:.3f} s, ratio {ratio}")
    say(_headers())
    return ExitCode.SETTLED


def _headers() -> str:
    """Return what the security headers cost beside a bare service and beside the order's."""
    home = Path(os.environ.get("CLOSEOUT_HOME") or Path.cwd())
    live = home / "build" / "cache" / "environments" / "live"
    python = environments.ensure(live, "requirements/live.txt")
    with tempfile.TemporaryDirectory(prefix="closeout-bench-") as scratch:
        return headers.table(headers.measure(python, Path(scratch)))


def _spent(argv: Sequence[str]) -> tuple[float, float]:
    """Return the CPU and wall seconds of one run, its own folder removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="closeout-bench-") as fresh:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = process.run([word.replace("{new}", fresh) for word in argv], cwd=Path(fresh))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if not result.ok:
        message = f"{argv[0]} ended with {result.code}: {result.err.strip()[-300:]}"
        raise RuntimeError(message)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, result.seconds
