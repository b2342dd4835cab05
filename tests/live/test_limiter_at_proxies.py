"""The limiters of the mended identity service, behind proxies and before a Redis that refuses.

The addresses that a proxy writes, whom the service itself trusts, and a store that answers with
errors: each is a way to lose the count, or to have strangers share one.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from closeout.fs.tree import DiskTree, Overlay
from closeout.fs.writer import copy_tree
from closeout.gaps.rate_limit.detect import IDENTITY
from closeout.gaps.rate_limit.fix import fix
from closeout.gaps.rate_limit.probing.proxies import PROXY_PROBES
from closeout.gaps.rate_limit.probing.replicas import (
    COMMAND,
    REPLICA_PROBES,
    log_of_replica,
    own_boot,
    replicas,
)
from closeout.gaps.rate_limit.probing.visitors import WRONG, login
from closeout.harness import redis
from closeout.harness.http import free_port, judged, send, tally
from closeout.harness.probe_runner import run_battery
from closeout.harness.service_database import account
from closeout.model import Observation, Probe, ProbeContext
from closeout.resources import BUNDLE

pytestmark = [
    pytest.mark.live,
    pytest.mark.needs("services-env", "npm", "node", "postgres", "redis-server"),
]
ENTRY = f"cloud-layer/{IDENTITY}/src/index.ts"
APPLICATION = b"const app = express();\n"
BUCKET = [401] * 5 + [429] * 3


def _statuses(url: str, number: int, client: str, peer: str) -> list[int]:
    body = {"email": account(number), "password": WRONG}
    request = login(body, peer, [("X-Forwarded-For", client)])
    return [send(url, request).status for _ in range(8)]


def _own_trust(context: ProbeContext) -> Observation:
    """Ask for two clients of one proxy, without a number of proxies: the service has its own."""
    with ExitStack() as stack:
        (url,) = replicas(stack, context, 1, {"TRUST_PROXY_HOPS": ""})
        first = _statuses(url, 301, "203.0.113.1", "127.254.11.1")
        other = _statuses(url, 301, "203.0.113.2", "127.254.11.1")[:1]
        said = log_of_replica(context).count("is not trusted")
    faults = [] if first == BUCKET else [f"one client {tally(first)}"]
    faults += [] if other == [401] else [f"another client {tally(other)}"]
    faults += [] if not said else ["the log says that nobody is trusted"]
    return judged(expected="two clients", command=COMMAND, faults=faults, seen=tally(first))


def _read_only(context: ProbeContext) -> Observation:
    """Ask while Redis is a replica of a server that is not there, as after a failover."""
    port = free_port()
    with ExitStack() as stack:
        stack.enter_context(redis.server(context.scratch, port))
        (url,) = replicas(stack, context, 1, {"REDIS_URL": f"redis://127.0.0.1:{port}"})
        redis.send(port, "REPLICAOF 127.0.0.1 1")
        statuses = _statuses(url, 302, "203.0.113.3", "127.254.12.1")
        said = log_of_replica(context).count("auth limiter: Redis answers READONLY")
    faults = [] if statuses == BUCKET else [tally(statuses)]
    faults += [] if said == 1 else [f"the log says it {said} times"]
    return judged(expected="still limited", command=COMMAND, faults=faults, seen=tally(statuses))


def _probe(name: str, run: Callable[[ProbeContext], Observation]) -> Probe:
    return Probe.of(IDENTITY, f"test.{name}", "2.1", own_boot(run), "redis-server")


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the reference monorepo with mended sign-ins."""
    overlay = Overlay(DiskTree(BUNDLE / "reference" / "farmiq"))
    for changeset in fix(overlay):
        for edit in changeset.edits:
            overlay.lay(edit)
    folder = tmp_path_factory.mktemp("fixed")
    folder.chmod(0o755)
    copy_tree(overlay, folder)
    return folder


def _red(root: Path, scratch: Path, *probes: Probe) -> dict[str, str]:
    """Return what was seen instead, by probe."""
    scratch.mkdir(mode=0o755, exist_ok=True)
    outcomes = run_battery(
        None,
        root,
        scratch,
        python=Path(os.environ["CLOSEOUT_LIVE_PYTHON"]),
        probes=probes,
        cache=scratch / "cache",
    )
    assert len(outcomes) == len(probes)
    return {each.probe.id: each.after.observed for each in outcomes if not each.after.passed}


def test_clients_are_told_apart_behind_proxies_and_counted_without_redis(
    fixed: Path, tmp_path: Path
) -> None:
    """However their addresses are spelled, and by one line of the log where nobody is trusted."""
    asked = [probe for probe in PROXY_PROBES if "gateway" not in probe.id]
    asked += [probe for probe in REPLICA_PROBES if "refuses" in probe.id]
    assert len(asked) == 5
    tmp_path.chmod(0o755)
    assert _red(fixed, tmp_path / "scratch", *asked, _probe("read-only", _read_only)) == {}


def test_what_the_service_itself_trusts_counts_without_a_number(
    fixed: Path, tmp_path: Path
) -> None:
    """Its own `trust proxy` is taken over; without one the same question is red."""
    tmp_path.chmod(0o755)
    root = tmp_path / "root"
    copy_tree(DiskTree(fixed), root)
    probe = _probe("own-trust", _own_trust)
    assert set(_red(root, tmp_path / "without", probe)) == {probe.id}
    entry = root / ENTRY
    before = entry.read_bytes()
    assert before.count(APPLICATION) == 1
    said = APPLICATION + b"app.set('trust proxy', 1);\n"
    entry.write_bytes(before.replace(APPLICATION, said))
    assert _red(root, tmp_path / "with", probe) == {}
