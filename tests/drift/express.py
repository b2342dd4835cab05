"""Judge drifted Express services: build them, boot them and ask, two at once, before and after."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from closeout import process
from closeout.errors import CloseoutError
from closeout.fs import writer
from closeout.fs.tree import Overlay
from closeout.harness import node, postgres, service_database
from closeout.harness.boot import Booted, booted, node_launch
from closeout.harness.http import JSON_HEADERS, NoAnswerError, Request, send
from closeout.model import Tree
from tests.drift import Judgement, Tools
from tests.drift.cases import Case, Outcome
from tests.drift.staging import Staged, reference

_AT_ONCE = 2
_BUILD_DEADLINE = 180.0
_OK = range(200, 300)
_LIMITED = 429
_REFUSED = range(400, 500)
_SPREAD = 55
_SECRET = secrets.token_hex(32)
_BARE = """
const express = require('express')
const loaded = require('./ROUTER')
const app = express()
app.use(express.json())
app.use('PREFIX', loaded.default || loaded)
app.listen(0)
"""
"""Mounts one built router, for a variant in which nothing of the service does."""

Questions = Callable[[Case, str], Iterator[str]]
"""Ask the booted service at a URL and yield what is wrong with its answers."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One gap's questions, what an open and a closed service is called, and its environment."""

    questions: Questions
    words: tuple[str, str]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """What the variants of one service share."""

    scratch: Path
    modules: Path
    asked: _Asked


def judge_rate_limit(
    staged: Sequence[Staged], scratch: Path, tools: Tools
) -> Mapping[str, Judgement]:
    """Sign in wrongly six times, rightly, and renew the session."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres.server(scratch))
        except CloseoutError as error:
            return _unasked(staged, error.message)
        writer.copy_tree(reference(), scratch / "reference")
        dsn = service_database.create(
            server, "drift", scratch / "reference" / staged[0].case.service
        )
        words = ("guesses unlimited", "limited, good sign-ins pass")
        given = {"DATABASE_URL": dsn}
        return _judged(staged, scratch, tools, _Asked(_sign_in, words, given))


def judge_factory_secret(
    staged: Sequence[Staged], scratch: Path, tools: Tools
) -> Mapping[str, Judgement]:
    """Claim with the configured secret, a wrong one, and the one that stood in the source."""
    words = ("the old literal passes", "only the configured secret passes")
    given = {"DEVICE_FACTORY_SECRET": _SECRET}
    return _judged(staged, scratch, tools, _Asked(_claim, words, given))


def _judged(
    staged: Sequence[Staged], scratch: Path, tools: Tools, asked: _Asked
) -> Mapping[str, Judgement]:
    if tools.cache is None:
        return _unasked(staged, "no folder for installed packages is named")
    try:
        modules = _modules(staged, scratch, tools.cache)
    except CloseoutError as error:
        return _unasked(staged, error.message)
    bench = _Bench(scratch=scratch, modules=modules, asked=asked)
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        numbered = list(enumerate(staged))
        judgements = list(pool.map(lambda pair: _one(bench, *pair), numbered))
    return {item.case.name: judgement for item, judgement in zip(staged, judgements, strict=True)}


def _unasked(staged: Sequence[Staged], told: str) -> Mapping[str, Judgement]:
    return {item.case.name: Judgement(passed=None, told=f"not asked: {told}") for item in staged}


def _modules(staged: Sequence[Staged], scratch: Path, cache: Path) -> Path:
    """Install what the fixed reference service locks: every variant needs that or less."""
    fixed = next(item for item in staged if item.case.settings.get("lock") == "whole")
    folder = scratch / "locked"
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        (folder / name).write_bytes(fixed.after.read(fixed.case.service / name) or b"")
    return node.install(folder, cache)


def _one(bench: _Bench, number: int, item: Staged) -> Judgement:
    is_open, is_closed = bench.asked.words
    before = _faults(bench, item, item.before, bench.scratch / f"{number}-before")
    if isinstance(before, str):
        return _without_start(item, before)
    if item.case.expect is Outcome.LEFT_ALONE:
        told = "; ".join(before[:2]) or f"live: {is_closed} as it was"
        return Judgement(passed=not before, told=told)
    if not before:
        return Judgement(passed=False, told=f"live: {is_closed} before any fix, so no defect")
    if item.case.expect is Outcome.REFUSED:
        return Judgement(passed=True, told=f"live: {is_open}, as the refusal says")
    after = _faults(bench, item, item.after, bench.scratch / f"{number}-after")
    told = after if isinstance(after, str) else "; ".join(after[:3])
    if "router" in item.case.settings:
        is_closed += ", the router in a bare application"
    return Judgement(passed=not after, told=f"live: {is_open} before, {told or is_closed} after")


def _without_start(item: Staged, why: str) -> Judgement:
    is_expected = item.case.settings.get("builds") is False
    return Judgement(passed=is_expected, told=f"does not start before the fix: {why}"[:160])


def _faults(bench: _Bench, item: Staged, tree: Tree, place: Path) -> list[str] | str:
    """Return what is wrong with the answers, or in one text why the service does not start."""
    writer.copy_tree(tree, place)
    folder = place / item.case.service
    (folder / "node_modules").symlink_to(bench.modules, target_is_directory=True)
    trouble = _built(folder, is_checked=isinstance(tree, Overlay))
    if trouble:
        return trouble
    settings = item.case.settings
    entry = settings.get("entry", "dist/index.js")
    if "router" in settings:
        entry = "bare.js"
        text = _BARE.replace("ROUTER", settings["router"]).replace("PREFIX", settings["mount"])
        (folder / entry).write_text(text)
    given = (
        {} if settings.get("unset") and not isinstance(tree, Overlay) else bench.asked.environment
    )
    launch = node_launch(folder, {**_SETTINGS, **given, **settings.get("set", {})})
    launch = replace(launch, argv=(*launch.argv[:-1], entry))
    with booted(launch, place / "service.log") as service:
        if not isinstance(service, Booted):
            return service.reason
        try:
            return list(bench.asked.questions(item.case, service.url))
        except NoAnswerError as error:
            return [str(error)]


_BUILD_DEADLINE = 180.0
_SETTINGS = {
    "NODE_ENV": "development",
    "APP_ENV": "development",
    "JWT_SECRET": secrets.token_hex(32),
    "JWT_REFRESH_SECRET": secrets.token_hex(32),
}


def _built(folder: Path, *, is_checked: bool) -> str:
    """Compile the service where it is TypeScript; types count for the fixed one alone."""
    if not (folder / "tsconfig.json").is_file():
        return ""
    argv = ["node_modules/.bin/tsc", *([] if is_checked else ["--noCheck"])]
    result = process.run(argv, cwd=folder, deadline=_BUILD_DEADLINE)
    said = (result.out or result.err).strip().splitlines() or ["it said nothing"]
    return "" if result.ok else f"tsc ended with {result.code}: {said[0]}"


def _sign_in(case: Case, url: str) -> Iterator[str]:
    account = case.settings.get("account", "email")

    def status(number: int, word: str, place: str) -> int:
        body = {account: service_database.account(number), "password": word}
        return _post(url, case.settings.get("login", "/api/v1/auth/login"), body, place)[0]

    guesses = [status(1, "wrong-horse-0", "127.1.0.1") for _ in range(6)]
    if guesses[-1] != _LIMITED or _LIMITED in guesses[:-1]:
        yield f"six wrong sign-ins: {guesses}"
    good = [status(2, service_database.PASSWORD, "127.1.0.2") for _ in range(2)]
    if any(each not in _OK for each in good):
        yield f"good sign-ins: {good}"
    if case.settings.get("spread"):
        spread = [status(3, "wrong-horse-0", f"127.2.{n}.1") for n in range(_SPREAD)]
        if _LIMITED not in spread:
            yield f"{_SPREAD} wrong sign-ins from as many addresses passed"
    yield from _renewal(case, url, account)


def _renewal(case: Case, url: str, account: str) -> Iterator[str]:
    login = case.settings.get("login", "/api/v1/auth/login")
    path = case.settings.get("refresh", "/api/v1/auth/refresh")
    field = case.settings.get("token", "refreshToken")
    place = "127.3.0.1"
    body = {account: service_database.account(4), "password": service_database.PASSWORD}
    answer = _post(url, login, body, place)[1]
    token = json.loads(answer).get("refreshToken", "") if answer.startswith(b"{") else ""
    right = _post(url, path, {field: token}, place)[0]
    if right not in _OK:
        yield f"a good renewal: {right}"
    wrong = [_post(url, path, {field: "x.y.z"}, "127.3.0.2")[0] for _ in range(6)]
    if not set(wrong) <= set(_REFUSED):
        yield f"wrong renewals: {wrong}"


def _claim(case: Case, url: str) -> Iterator[str]:
    field = case.settings.get("field", "claimCode")
    path = case.settings.get("claim", "/api/v1/provisioning/claim")
    old = case.settings.get("literal", "FACTORY-SECRET")

    def status(code: str, number: int) -> int:
        body = {field: code, "serialNumber": f"SN-{number}", "tenantId": "tenant-drift"}
        headers = {case.settings["header"]: code} if "header" in case.settings else {}
        return _post(url, path, body, f"127.4.0.{number}", headers)[0]

    for number, (name, code) in enumerate(
        {"the old literal": old, "a wrong code": "guess-0000", "no code": ""}.items(), start=1
    ):
        answered = status(code, number)
        if answered not in _REFUSED or answered == _LIMITED:
            yield f"{name}: {answered}"
    right = status(_SECRET, 9)
    if right not in _OK:
        yield f"the configured secret: {right}"


def _post(
    url: str, path: str, body: object, place: str, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    request = Request(
        method="POST",
        path=path,
        headers=(*JSON_HEADERS, *(headers or {}).items()),
        body=json.dumps(body).encode(),
        source=place,
    )
    answer = send(url, request)
    return answer.status, answer.body
