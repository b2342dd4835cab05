"""Probes ask a service with an origin of its own pages, not with one that only the order knows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

import pytest

from closeout.fs.memory_tree import MemoryTree
from closeout.gaps.cors.probes import PROBES
from closeout.gaps.cors.probing import trusted
from closeout.gaps.cors.probing.express import express_probes_of
from closeout.gaps.cors.probing.origins import (
    ALLOWED,
    EVIL,
    get,
    lookalikes,
    not_shared,
    readable_from,
)
from closeout.harness.boot import Booted, Launch, booted, node_launch
from closeout.harness.http import judged
from closeout.model import Observation, ProbeContext, Service
from tests.support.builders import write_files

_OWN = "http://localhost:6100"
_SERVER = """
const allowedOrigins = new Set(['http://localhost:6100', 'https://barn.example'])
require('http').createServer((asked, answer) => {
  const { origin } = asked.headers
  answer.setHeader('Vary', 'Origin')
  if (allowedOrigins.has(origin)) {
    answer.setHeader('Access-Control-Allow-Origin', origin)
    answer.setHeader('Access-Control-Allow-Headers', 'x-arbitrary')
  }
  answer.end()
}).listen(1)
"""


@pytest.mark.needs("node")
def test_a_service_with_a_list_of_its_own_is_asked_with_an_origin_of_that_list(
    tmp_path: Path,
) -> None:
    """The order's dashboard is a stranger there, and that is no fault of the service."""
    files = {"package.json": b"{}", "server.js": _SERVER.encode()}
    root = write_files(
        tmp_path / "tree", {f"edge/barn/{name}": text for name, text in files.items()}
    )
    launch = node_launch(root / "edge" / "barn", {}, entry="server.js")
    asked = {probe.id.partition("@")[0]: probe for probe in PROBES if "cloud-ingestion" in probe.id}
    with booted(launch, tmp_path / "own.log") as service:
        assert isinstance(service, Booted), service.reason
        context = ProbeContext(
            root=root,
            scratch=tmp_path,
            services={"cloud-ingestion": service.url},
            settings={"launch.cloud-ingestion": launch.text()},
        )
        seen = {name: probe.run(context) for name, probe in asked.items()}
    assert seen["cors.allowed-origin"].passed
    assert _OWN in seen["cors.allowed-origin"].observed
    assert seen["cors.allowed-origin-reads-refusals"].passed
    assert seen["cors.lookalike-origins"].passed
    assert seen["cors.arbitrary-header-refused"].passed


@pytest.mark.needs("node")
def test_a_page_that_an_unlisted_service_trusts_may_send_what_it_takes(tmp_path: Path) -> None:
    """Its closed list stays as it is; a stranger's page may send no header all the same."""
    headers = "  answer.setHeader('Access-Control-Allow-Headers', '*')\n"
    kind = (
        "if (allowedOrigins.has(origin)) {0}answer.setHeader('Access-Control-Allow-Headers', '*')"
    )
    for allows, passed in ((kind.format(""), True), (headers, False)):
        source = _SERVER.replace("  answer.end()", f"  {allows}\n  answer.end()")
        files = {"package.json": b"{}", "server.js": f"// require('cors')()\n{source}".encode()}
        folder = write_files(tmp_path / str(passed), files)
        launch = node_launch(folder, {}, entry="server.js")
        with booted(launch, tmp_path / f"{passed}.log") as service:
            assert isinstance(service, Booted), service.reason
            context = ProbeContext(
                root=folder,
                scratch=tmp_path,
                services={"barn": service.url},
                settings={"launch.barn": launch.text()},
            )
            assert _headers(context).passed is passed


def _headers(context: ProbeContext) -> Observation:
    return _asked_of_barn("arbitrary-header-refused", context)


def _asked_of_barn(name: str, context: ProbeContext) -> Observation:
    service = Service(name="barn", folder=PurePosixPath("barn"), kind="express")
    policy = b"app.use(require('cors')({ origin: ['http://localhost:6100'] }))\n"
    tree = MemoryTree({"barn/package.json": b"{}", "barn/server.js": policy})
    made = {probe.id: probe for probe in express_probes_of(tree, service)}
    return made[f"cors.{name}@barn"].run(context)


def _context(root: Path, source: str = "") -> ProbeContext:
    files = {
        "barn/src/index.ts": source.encode(),
        "barn/scripts/load.js": b"get('http://localhost:1')",
    }
    launch = node_launch(write_files(root, files) / "barn", {})
    return ProbeContext(root=root, scratch=root, settings={"launch.barn": launch.text()})


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        ("const allowedOrigins = ['https://farm.example', 'http://localhost:6100']\n", _OWN),
        ("const allowedOrigins = new Set<string>([\n  'http://localhost:6100/',\n])\n", _OWN),
        ("app.use(cors({ origin: ['http://localhost:6100'], credentials: true }))\n", _OWN),
        ("const ORIGINS = ['https://farm.example']\n", "https://farm.example"),
        ("const identity = process.env.IDENTITY_URL || 'http://localhost:3001'\n", "page"),
        ("const paths = ['http://localhost:6100/api']\n", "page"),
        ("const origins = read()\nconst peers = ['http://localhost:3001']\n", "page"),
    ],
)
def test_the_origins_that_a_service_lists_go_before_those_of_the_tree(
    tmp_path: Path, source: str, origin: str
) -> None:
    """One of a developer's machine first; an address that it calls is no origin that it trusts."""
    assert trusted.by("barn", _context(tmp_path, source), "page") == origin


def test_the_trees_own_pages_go_before_the_orders(tmp_path: Path) -> None:
    """What settings list is looked up in the tree that is asked."""
    context = _context(tmp_path / "bare")
    assert trusted.by("barn", context) == ALLOWED
    write_files(tmp_path / "own", {".env.example": b"ALLOWED_ORIGINS=http://localhost:6100\n"})
    assert trusted.by("barn", _context(tmp_path / "own")) == _OWN


_RED = judged(expected="closed", command="curl", faults=["open"], seen="open")


@pytest.mark.parametrize(
    ("source", "passed"),
    [
        ("const allowedOrigins = ['http://localhost:6100']\n", None),
        (
            "const allowedOrigins = process.env.ALLOWED_ORIGINS ?? ['http://a.b']\n",
            False,
        ),
        ("app.use(cors())\n", False),
    ],
)
def test_a_list_in_the_sources_answers_no_question_about_a_variable(
    tmp_path: Path, source: str, passed: bool | None
) -> None:
    """One that reads the variable, or lists nothing, is red where it does not heed it."""
    context = _context(tmp_path, source)
    assert trusted.configurable("barn", context, "", [], _RED).passed is passed
    green = replace(_RED, passed=True)
    assert trusted.configurable("barn", context, "", [], green) == green


@pytest.mark.needs("node")
@pytest.mark.parametrize(
    ("trusts", "passed"), [("allowedOrigins.has(origin)", None), ("origin", False)]
)
def test_a_list_that_lets_strangers_in_is_no_excuse(
    tmp_path: Path, trusts: str, passed: bool | None
) -> None:
    """What stays as it is must still be closed to everybody who is not listed."""
    source = _SERVER.replace("allowedOrigins.has(origin)", trusts)
    context, launch = _barn(tmp_path, source)
    cases = [(get("https://new.example"), partial(readable_from, "https://new.example"))]
    cases += [(get(origin), not_shared) for origin in (_OWN, "https://barn.example", EVIL)]
    with booted(launch, tmp_path / "own.log") as service:
        assert isinstance(service, Booted), service.reason
        assert trusted.configurable("barn", context, service.url, cases, _RED).passed is passed


@pytest.mark.needs("node")
@pytest.mark.parametrize(
    ("listed", "passed"), [("http://127.0.0.1:6100", True), ("http://evil.com", False)]
)
def test_another_origin_of_the_list_is_no_lookalike(
    tmp_path: Path, listed: str, passed: bool
) -> None:
    """One machine has two names; what everybody knows for evil is never to be trusted."""
    context, launch = _barn(tmp_path, _SERVER.replace("https://barn.example", listed))
    with booted(launch, tmp_path / "own.log") as service:
        assert isinstance(service, Booted), service.reason
        context = replace(context, services={"barn": service.url})
        names = ("lookalike-origins", "evil-origin-get")
        assert all(_asked_of_barn(name, context).passed for name in names) is passed


@pytest.mark.needs("node")
@pytest.mark.parametrize(
    ("source", "passed", "seen"),
    [
        ("console.error('bad ALLOWED_ORIGINS')\nprocess.exit(1)\n", True, "bad ALLOWED_ORIGINS"),
        ("process.exit(1)\n", None, "ended with status 1"),
        (_SERVER, True, ""),
        (_SERVER.replace("allowedOrigins.has(origin)", "origin"), False, ""),
    ],
)
def test_a_service_may_refuse_to_start_with_a_bad_list_but_not_for_another_reason(
    tmp_path: Path, source: str, passed: bool | None, seen: str
) -> None:
    """An end that says nothing of the origins shows nothing of how they are heeded."""
    context, launch = _barn(tmp_path, source)
    probe = next(each for each in PROBES if each.id.startswith("cors.null-configured@cloud-id"))
    context = replace(context, settings={f"launch.{probe.subject}": launch.text()})
    found = probe.run(context)
    assert found.passed is passed
    assert seen in found.observed


def _barn(root: Path, source: str) -> tuple[ProbeContext, Launch]:
    files = {"package.json": b"{}", "server.js": f"// require('cors')()\n{source}".encode()}
    launch = node_launch(write_files(root / "barn", files), {}, entry="server.js")
    settings = {"launch.barn": launch.text()}
    return ProbeContext(root=root, scratch=root, settings=settings), launch


@pytest.mark.parametrize("origin", [ALLOWED, "https://farm.example", "http://127.0.0.1:81"])
def test_a_lookalike_is_never_the_origin_itself(origin: str) -> None:
    """Each differs from it, and from every other one."""
    alike = lookalikes(origin)
    assert origin not in alike
    assert len({*alike}) == len(alike)
    assert EVIL not in alike


@pytest.mark.needs("node")
@pytest.mark.parametrize(
    ("trusts", "passed"), [("process.env.NODE_ENV !== 'production'", True), ("true", False)]
)
def test_lookalikes_that_development_trusts_are_asked_of_production(
    tmp_path: Path, trusts: str, passed: bool
) -> None:
    """Any port of the developer's own machine may be trusted there, and nowhere else."""
    alike = f"({trusts}) && /^http:.+localhost:.+$/.test(origin)"
    source = _SERVER.replace("allowedOrigins.has(origin)", f"allowedOrigins.has(origin) || {alike}")
    assert source != _SERVER
    context, launch = _barn(tmp_path, source)
    with booted(launch, tmp_path / "own.log") as service:
        assert isinstance(service, Booted), service.reason
        context = replace(context, services={"barn": service.url})
        assert _asked_of_barn("lookalike-origins", context).passed is passed
