"""A login that the order does not list is asked as well: too many bad attempts end in 429."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from closeout.engine.rules import checks
from closeout.fs.memory_tree import MemoryTree
from closeout.gaps.rate_limit import GAP
from closeout.gaps.rate_limit.probing.strangers import probes_of
from closeout.harness.boot import Booted, booted, node_launch
from closeout.harness.service_discovery import roster
from closeout.model import Observation, ProbeContext, Service
from closeout.workorders.wo_004 import WO_004
from tests.support.builders import write_files

_PACKAGE = b'{"dependencies": {"express": "4.21.2"}}'
_ROUTES = b"""import { Router } from 'express';
const router = Router();
router.post('/login', (req, res) => {
  const { username, password } = req.body;
  res.status(users.match(username, password) ? 200 : 401).end();
});
router.post('/refresh', (req, res) => res.status(sessions.renew(req.body.refreshToken)).end());
export default router;
"""
_APP = b"""import express from 'express';
import routes from './routes';
express().use('/auth', routes).listen(3000);
"""
_TREE = MemoryTree(
    {
        "services/auth/package.json": _PACKAGE,
        "services/auth/src/routes.ts": _ROUTES,
        "services/auth/src/index.ts": _APP,
    }
)
_AUTH = Service(name="auth", folder=PurePosixPath("services/auth"), kind="express")
_SERVER = """
let tries = 0
require('http').createServer((asked, answer) => {{
  let body = ''
  asked.on('data', (part) => {{ body += part }})
  asked.on('end', () => {{
    const sent = JSON.parse(body || '{{}}')
    const isWhole = asked.url === '/auth/login' ? sent.username && sent.password : sent.refreshToken
    if (body) tries += 1
    answer.statusCode = isWhole ? {answer} : 500
    answer.end()
  }})
}}).listen(1)
"""


def _seen(folder: Path, answer: str, question: str) -> Observation:
    files = {"package.json": b"{}", "server.js": _SERVER.format(answer=answer).encode()}
    launch = node_launch(write_files(folder, files), {}, entry="server.js")
    made = {probe.id.partition("@")[0]: probe for probe in probes_of(_TREE, _AUTH)}
    with booted(launch, folder.parent / "own.log") as service:
        assert isinstance(service, Booted), service.reason
        context = ProbeContext(
            root=folder, scratch=folder, settings={}, services={"auth": service.url}
        )
        return made[f"rate-limit.{question}"].run(context)


@pytest.mark.needs("node")
@pytest.mark.parametrize(
    ("answer", "question", "passed"),
    [
        ("401", "sixth-bad-login", False),
        ("tries > 5 ? 429 : 401", "sixth-bad-login", True),
        ("tries > 3 ? 429 : 403", "sixth-bad-login", True),
        ("tries > 5 ? 429 : 400", "sixth-bad-login", True),
        ("tries > 6 ? 429 : 401", "sixth-bad-login", False),
        ("429", "sixth-bad-login", False),
        ("tries % 2 ? 401 : 429", "sixth-bad-login", False),
        ("500", "sixth-bad-login", None),
        ("400", "sixth-bad-login", None),
        ("200", "sixth-bad-login", None),
        ("tries > 5 ? 429 : 401", "ten-bad-logins", True),
        ("401", "ten-bad-logins", False),
        ("tries > 5 && sent.username.startsWith('a') ? 429 : 401", "other-account-free", True),
        ("tries > 5 ? 429 : 401", "other-account-free", False),
        ("401", "other-account-free", False),
        ("401", "refresh-limited", False),
        ("tries > 100 ? 429 : 401", "refresh-limited", True),
        ("tries > 101 ? 429 : 401", "refresh-limited", False),
    ],
)
def test_bad_attempts_end_in_429_or_are_open(
    tmp_path: Path, answer: str, question: str, passed: bool | None
) -> None:
    """What is refused for ever is open; what stands alone without its accounts tells nothing."""
    seen = _seen(tmp_path / "auth", answer, question)
    assert seen.passed is passed, seen.observed


def test_each_route_is_asked_where_it_is_mounted() -> None:
    """Under the criterion that it is about, and only of the service that has it."""
    asked = {probe.id: probe.criterion for probe in probes_of(_TREE, _AUTH)}
    assert asked == {
        "rate-limit.sixth-bad-login@auth/auth/login": "2.1",
        "rate-limit.ten-bad-logins@auth/auth/login": "M.2",
        "rate-limit.other-account-free@auth/auth/login": "2.3",
        "rate-limit.refresh-limited@auth/auth/refresh": "2.2",
    }
    other = Service(name="barn", folder=PurePosixPath("services/barn"), kind="express")
    assert probes_of(_TREE, other) == ()


def test_what_a_stranger_is_asked_speaks_for_the_checkboxes_of_a_teams_own_order() -> None:
    """They are tied by the name before the service's, as the order's own probes are called."""
    ties = {(box.id, tie) for box in WO_004.criteria for tie in box.probes}
    for probe in probes_of(_TREE, _AUTH):
        assert (probe.criterion, probe.id.partition("@")[0]) in ties


def test_a_gateway_is_not_asked_for_what_it_hands_on() -> None:
    """Its answer is the other service's, which does not stand behind it here."""
    gateway = _ROUTES.replace(
        b"res.status(users.match(username, password) ? 200 : 401).end();",
        b"axios.post(`${AUTH_URL}/auth/login`, { username, password });",
    )
    files = {
        "services/gate/package.json": _PACKAGE,
        "services/gate/src/routes.ts": gateway,
        "services/gate/src/index.ts": _APP,
    }
    tree = MemoryTree({**{str(path): _TREE.read(path) or b"" for path in _TREE.paths()}, **files})
    service = Service(name="gate", folder=PurePosixPath("services/gate"), kind="express")
    assert [probe.id for probe in probes_of(tree, service)] == [
        "rate-limit.refresh-limited@gate/auth/refresh"
    ]


def test_service_that_closeout_toml_declares_is_asked_by_its_folder_and_kind() -> None:
    """Also where its manifest stands above it; what is declared as FastAPI has no such route."""
    files = {str(path): _TREE.read(path) or b"" for path in _TREE.paths()}
    files["package.json"] = files.pop("services/auth/package.json")
    tree = MemoryTree(files)
    asked = [probe.id for probe in probes_of(tree, _AUTH)]
    assert asked == [probe.id for probe in probes_of(_TREE, _AUTH)]
    assert probes_of(tree, replace(_AUTH, kind="fastapi")) == ()
    other = Service(name="barn", folder=PurePosixPath("services/barn"), kind="express")
    assert probes_of(tree, other) == ()


def test_what_a_limiter_that_cannot_be_read_is_asked_has_the_services_declared_name() -> None:
    """Else the answer of that probe would settle nothing."""
    files = {str(path): _TREE.read(path) or b"" for path in _TREE.paths()}
    routes = files["services/auth/src/routes.ts"]
    files["services/auth/src/routes.ts"] = routes.replace(b"'/login', ", b"'/login', authLimiter, ")
    files["closeout.toml"] = b'[[service]]\nname = "door"\nfolder = "services/auth"\n'
    tree = MemoryTree(files)
    told = {
        name for check in checks(GAP, tree) for item in check.unresolved for name in item.probes
    }
    door = roster(tree)["door"]
    assert told
    assert told <= {probe.id for probe in probes_of(tree, door)}
