"""Auth routes get limiters that work, and working ones are left alone."""

import json
from pathlib import Path, PurePosixPath

import pytest

from closeout.engine import planner, rules
from closeout.engine.evaluate import Case, judge
from closeout.engine.patch_series import PreparedSet
from closeout.fs.tree import DiskTree, MemoryTree, Overlay
from closeout.gaps.rate_limit import GAP
from closeout.gaps.rate_limit.express.limiters import limiters
from closeout.gaps.rate_limit.express.routes import auth_routes
from closeout.gaps.rate_limit.probes import PROBES
from closeout.gaps.rate_limit.probing.deployed import numbers
from closeout.gaps.rate_limit.probing.strangers import probes_of
from closeout.model import NO_CRITERION, Edit, Reason, Service, Tree, Verdict
from closeout.parsing import typescript
from closeout.parsing.typescript_values import TypeScriptValues
from closeout.resources import BUNDLE
from closeout.workorders.wo_004 import WO_004
from tests.support.builders import evidence, order

SERVICE = "cloud-layer/cloud-identity-access"
ROUTER = f"{SERVICE}/src/routes/authRoutes.ts"
MANIFEST = b'{\n  "name": "s",\n  "dependencies": {\n    "express": "4.22.3"\n  }\n}\n'
ORDER = b"""import { Router } from 'express';
import rateLimit from 'express-rate-limit';
const MINUTES = 15;
const limiter = rateLimit({
  windowMs: MINUTES * 60 * 1000, max: %s,
  keyGenerator: (req) => %s,
});
const router = Router();
router.post('/login', %sauthController.login);
router.post('/refresh', %sauthController.refresh);
"""


@pytest.fixture
def reference(tmp_path: Path) -> DiskTree:
    """Copy the reference service, as the order finds it."""
    source = BUNDLE / "reference" / "farmiq" / SERVICE
    for name in ("src", "package.json", "package-lock.json", ".env.example"):
        for path in sorted((source / name).rglob("*")) or [source / name]:
            if path.is_file():
                target = tmp_path / SERVICE / path.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
    return DiskTree(tmp_path)


def _service(router: bytes, **more: bytes) -> MemoryTree:
    files = {ROUTER: router, f"{SERVICE}/package.json": MANIFEST}
    return MemoryTree({**files, **{f"{SERVICE}/{name}": text for name, text in more.items()}})


def _order(limit: bytes = b"5", key: bytes = b"req.body.email", use: bytes = b"limiter, ") -> bytes:
    return ORDER % (limit, key, use, use)


def _rules(tree: Tree) -> dict[str, int]:
    return {check.criterion: len(check.findings) for check in rules.checks(GAP, tree)}


def _edits(tree: Tree) -> tuple[Edit, ...]:
    return tuple(edit for change in GAP.fix(tree) for edit in change.edits)


def test_detect_names_the_orders_line_on_the_reference(reference: DiskTree) -> None:
    """The order cites line 7; all three criteria are open there."""
    checks = rules.checks(GAP, reference)
    assert _rules(reference) == {"2.1": 1, "2.2": 1, "2.3": 1}
    assert (checks[0].findings[0].line, checks[0].findings[0].named) == (7, True)


def test_derive_closes_every_finding_and_is_idempotent(reference: DiskTree) -> None:
    """After the fix nothing is found, something was examined, and nothing is left to derive."""
    fixed = Overlay(reference, _edits(reference))
    assert _rules(fixed) == {"2.1": 0, "2.2": 0, "2.3": 0}
    assert all(check.examined and not check.unresolved for check in rules.checks(GAP, fixed))
    assert GAP.fix(fixed) == ()


def test_derive_touches_only_the_lines_it_changes(reference: DiskTree) -> None:
    """The router gains one import and two arguments."""
    fixed = Overlay(reference, _edits(reference))
    before = (reference.read(ROUTER) or b"").splitlines()
    after = (fixed.read(ROUTER) or b"").splitlines()
    assert [line for line in after if line not in before] == [
        b"import { loginRateLimiter, refreshRateLimiter } from '../middleware/authRateLimiter';",
        b"router.post('/login', loginRateLimiter, authController.login);",
        b"router.post('/refresh', refreshRateLimiter, authController.refresh);",
    ]


def test_derive_pins_what_it_imports_in_manifest_and_lock(reference: DiskTree) -> None:
    """Manifest and lock agree, and what the lock already had at another version is nested."""
    fixed = Overlay(reference, _edits(reference))
    manifest = json.loads(fixed.read(f"{SERVICE}/package.json") or b"")
    packages = json.loads(fixed.read(f"{SERVICE}/package-lock.json") or b"")["packages"]
    assert packages[""]["dependencies"] == manifest["dependencies"]
    assert packages["node_modules/express-rate-limit"]["version"] == "8.7.5"
    assert packages["node_modules/express-rate-limit/node_modules/debug"]["version"] == "4.4.3"
    assert packages["node_modules/debug"]["version"] == "2.6.9"


def test_detect_leaves_the_orders_own_limiter_alone() -> None:
    """A limiter of the service's own that meets the criteria is no finding."""
    tree = _service(_order())
    assert _rules(tree) == {"2.1": 0, "2.2": 0, "2.3": 0}
    assert GAP.fix(tree) == ()


@pytest.mark.parametrize(
    ("router", "expected"),
    [
        (_order(use=b""), {"2.1": 1, "2.2": 1, "2.3": 1}),
        (_order(limit=b"1000"), {"2.1": 1, "2.2": 1, "2.3": 1}),
        (_order(limit=b"Number(process.env.MAX || 1000)"), {"2.1": 1, "2.2": 1, "2.3": 1}),
        (_order(key=b"ipKeyGenerator(req.ip)"), {"2.1": 0, "2.2": 0, "2.3": 1}),
        (_order().replace(b"15;", b"1;"), {"2.1": 1, "2.2": 0, "2.3": 0}),
        (_order().replace(b"max:", b"skip: () => true, max:"), {"2.1": 1, "2.2": 1, "2.3": 1}),
    ],
    ids=["imported-only", "far-too-many", "default-too-many", "by-address", "too-short", "skipped"],
)
def test_detect_sees_through_a_limiter_that_does_not_limit(
    router: bytes, expected: dict[str, int]
) -> None:
    """A limiter counts for what it allows, not for being there."""
    assert _rules(_service(router)) == expected


ORDERS_MESSAGE = b"message: { error: { code: 'TOO_MANY_REQUESTS', message: 'Later.' } }, max:"


def _messages(tree: Tree) -> list[str]:
    return [item.message for check in rules.checks(GAP, tree) for item in check.findings]


@pytest.mark.parametrize(
    ("router", "told"),
    [
        (_order(limit=b"1000"), "allows 1000 attempts, not 5"),
        (_order().replace(b"MINUTES * 60 * 1000", b"1000"), "forgets after 1 second, not 900"),
        (_order().replace(b"max:", b"skip: () => true, max:"), "is skipped for every request"),
        (
            _order().replace(b"max:", b"skip(req) { /* open */ return !0; }, max:"),
            "is skipped for every request",
        ),
        (_order().replace(b"max:", b"skipFailedRequests: true, max:"), "counts no failed attempt"),
        (_order(key=b"crypto.randomUUID()"), "counts every request under a key of its own"),
        (
            _order().replace(b"max:", b"handler: (req, res, next) => next(), max:"),
            "hands on what it should refuse",
        ),
        (
            _order(use=b"").replace(b"authController.login)", b"authController.login, limiter)"),
            "has no rate limiter",
        ),
        (_order(use=b"") + b"router.use(limiter);\n", "has no rate limiter"),
        (
            ORDER % (b"1000", b"req.body.email", b"", b"")
            + b"router.post('/sign-in', [limiter], async (req, res) => res.json({}));\n",
            "allows 1000 attempts, not 5",
        ),
    ],
    ids=[
        *("a-thousand", "a-second", "skipped", "skipped-in-a-block", "skips-failures", "fresh-key"),
        *("hands-on", "last-in-the-route", "behind-the-route", "in-a-list"),
    ],
)
def test_detect_takes_the_limiters_message_for_no_limit(router: bytes, told: str) -> None:
    """What a limiter says when it refuses is nothing that a handler does: the place is open."""
    tree = _service(router.replace(b"max:", ORDERS_MESSAGE))
    checks = rules.checks(GAP, tree)
    assert [item for check in checks for item in check.unresolved] == []
    assert any(told in message for message in _messages(tree))


@pytest.mark.parametrize(
    "option",
    [
        b"skip: (req) => { if (req.ip === '::1') return true; return false; }, max:",
        b"skipFailedRequests: false, max:",
        b"skipSuccessfulRequests: true, max:",
        b"handler: (req, res, next, options) => { log(req); res.status(429).json({}); }, max:",
        b"handler: (req, res, next, options) => res.headersSent ? next() : res.send(1), max:",
    ],
)
def test_detect_leaves_a_limiter_that_limits_some(option: bytes) -> None:
    """An exemption, a count of failures alone and an answer of one's own are no holes."""
    assert _messages(_service(_order().replace(b"max:", option))) == []


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (b"req.ip /* not the email */", "POST /login is limited by address alone"),
        (b"'account:' + req.ip", "POST /login is limited by address alone"),
        (b"req.body['email']", ""),
        (b"`${req.body.username}`", ""),
        (b"{ /* no uuid() */ return req.body.email; }", ""),
    ],
)
def test_detect_reads_no_key_from_a_remark_or_a_string(key: bytes, message: str) -> None:
    """What names an account is code: a member, by a dot or between brackets."""
    assert _messages(_service(_order(key=key))) == ([message] if message else [])


def test_detect_leaves_a_handler_with_its_own_limit_to_the_probes() -> None:
    """Where the handler itself answers 429, only asking tells after how many."""
    own = b"(req, res) => { if (tried(req) > 4) { return res.sendStatus(429); } res.json({}); }"
    router = _order(use=b"").replace(b"authController.login", own)
    (found,) = rules.checks(GAP, _service(router))[0].unresolved
    assert found.detail == "whether the handler's own limit holds cannot be read"


def test_detect_takes_the_reading_of_another_services_429_for_no_limit() -> None:
    """A handler that compares an answer with 429, or speaks of it, limits nobody."""
    own = b"(req, res) => { /* 429 */ if (res.statusCode === 429) { warn(); } res.json({}); }"
    tree = _service(_order(use=b"").replace(b"authController.login", own))
    assert "POST /login has no rate limiter" in _messages(tree)


HAS, SETS = "POST /login has limiter, which allows", "docker-compose.yml sets it"


@pytest.mark.parametrize(
    ("compose", "told"),
    [
        (b"LOGIN_MAX: 100000", [(f"{HAS} 100000 attempts, not 5", SETS)]),
        (b"LOGIN_MAX: ${LOGIN_MAX:-500}", [(f"{HAS} 500 attempts, not 5", SETS)]),
        (b"LOGIN_MAX: '3'", []),
        (b"OTHER: '100000'", []),
    ],
)
def test_detect_reads_the_limit_that_compose_sets(
    compose: bytes, told: list[tuple[str, str]]
) -> None:
    """A default of five is no limit where the tree itself starts the service with more."""
    started = (
        b"services:\n  identity:\n    build: ./cloud-layer/cloud-identity-access\n"
        b"    environment:\n      " + compose + b"\n"
    )
    service = _service(_order(limit=b"Number(process.env.LOGIN_MAX || 5)"))
    files = {str(path): service.read(path) or b"" for path in service.paths()}
    tree = MemoryTree({**files, "docker-compose.yml": started})
    found = [message.partition(", where ") for message in _messages(tree)]
    assert [(said, where) for said, _, where in found if "/login has" in said] == told


@pytest.mark.parametrize(
    ("limit", "compose", "told"),
    [
        (b"Number(process.env.LOGIN_MAX || 5)", b"LOGIN_MAX: 5000", {"LOGIN_MAX": "5000"}),
        (b"Number(process.env.LOGIN_MAX || 5)", b"OTHER: '7'", {}),
        (b"settings.max", b"TRIES: '70'\n      PORT: '80'\n      LEVEL: info", {"TRIES": "70"}),
        (b"5", b"LOGIN_MAX: 5000", {}),
    ],
)
def test_probe_asks_with_the_numbers_that_a_deployment_gives(
    limit: bytes, compose: bytes, told: dict[str, str]
) -> None:
    """Those that the limit hangs on, or any that is no port where that cannot be followed."""
    started = (
        b"services:\n  identity:\n    build: ./cloud-layer/cloud-identity-access\n"
        b"    environment:\n      " + compose + b"\n"
    )
    service = _service(_order(limit=limit))
    files = {str(path): service.read(path) or b"" for path in service.paths()}
    tree = MemoryTree({**files, "docker-compose.yml": started})
    assert numbers(tree) == ({"docker-compose.yml": told} if told else {})


def test_derive_stands_before_a_weak_limiter_of_the_service() -> None:
    """The weak limiter stays where it was."""
    tree = _service(_order(limit=b"1000"))
    after = Overlay(tree, _edits(tree)).read(ROUTER) or b""
    assert b"'/login', loginRateLimiter, limiter, authController.login" in after


def test_detect_follows_a_limiter_through_the_mount() -> None:
    """A limiter that the application puts before the router guards its routes."""
    router = b"import { Router } from 'express';\nconst router = Router();\n" + b"".join(
        ORDER.splitlines(keepends=True)[-2:]
    ).replace(b"%s", b"")
    app = _order().split(b"const router")[0] + (
        b"import routes from './routes/authRoutes';\napp.use('/auth', limiter, routes);\n"
    )
    assert _rules(_service(router, **{"src/index.ts": app})) == {"2.1": 0, "2.2": 0, "2.3": 0}


def test_detect_ignores_clients_tests_and_quoted_routes() -> None:
    """Calling a login, testing one and writing about one is not serving one."""
    client = b"import 'express';\napi.post('/auth/login', { email });\n"
    quoted = b"import { Router } from 'express';\n// router.post('/login', x)\nconst a = `.post(`\n"
    tree = MemoryTree(
        {
            "web/src/api.ts": client,
            "svc/src/notes.ts": quoted,
            "svc/tests/auth.test.ts": _order(use=b""),
        }
    )
    assert all(not check.examined and not check.findings for check in rules.checks(GAP, tree))


def test_detect_reports_a_router_that_does_not_parse() -> None:
    """A broken router is named with its line and never edited."""
    tree = _service(_order(use=b"") + b"router.get('/me', (\n")
    unresolved = rules.checks(GAP, tree)[0].unresolved
    assert [(item.reason, item.line) for item in unresolved] == [(Reason.UNPARSABLE, 11)]
    assert _edits(tree) == ()
    assert GAP.fix(tree)[0].unresolved[0].reason.verdict is Verdict.BLOCKED


def test_derive_refuses_a_limiter_it_cannot_read() -> None:
    """A limit that only the running service knows is left to the probes."""
    tree = _service(_order(limit=b"settings.max"))
    assert rules.checks(GAP, tree)[0].unresolved[0].reason is Reason.AMBIGUOUS
    assert _edits(tree) == ()


@pytest.mark.parametrize(
    ("folder", "mount", "asked"),
    [
        ("cloud-layer/cloud-identity-access", b"/api/v1/auth", True),
        ("cloud-layer/cloud-identity-access", b"/api/v2/auth", False),
        ("cloud-layer/cloud-other-access", b"/api/v1/auth", True),
    ],
)
def test_detect_names_the_probe_that_asks_an_unread_limiter(
    folder: str, mount: bytes, asked: bool
) -> None:
    """An answer settles the route that was asked, and no route or service beside it."""
    app = b"import express from 'express';\nimport routes from './routes/authRoutes';\n"
    app += b"const app = express();\n"
    tree = MemoryTree(
        {
            f"{folder}/src/routes/authRoutes.ts": _order(limit=b"settings.max"),
            f"{folder}/src/index.ts": app + b"app.use('%s', routes);\n" % mount,
            f"{folder}/package.json": MANIFEST,
        }
    )
    told = {
        check.criterion: check.unresolved[0].probes
        for check in rules.checks(GAP, tree)
        if check.unresolved
    }
    assert set(told) == {"2.1", "2.2", "2.3"}
    home = PurePosixPath(folder)
    service = Service(name=home.name, folder=home, kind="express")
    made = PROBES if folder == SERVICE else probes_of(tree, service)
    assert any(name.startswith("rate-limit.sixth-bad-login") for name in told["2.1"]) is asked
    known = {(item.id, item.criterion) for item in made}
    assert all((name, number) in known for number, names in told.items() for name in names)
    assert all(bool(names) is asked for names in told.values())


@pytest.mark.parametrize(
    ("passed", "verdict", "told"),
    [
        (False, Verdict.OPEN, "rate-limit.sixth-bad-login: expected"),
        (True, Verdict.CLOSED, "rate-limit.sixth-bad-login saw 401 five times"),
    ],
)
def test_six_bad_sign_ins_decide_over_a_limiter_that_cannot_be_read(
    passed: bool, verdict: Verdict, told: str
) -> None:
    """Red, the criterion is open; green, it is closed, and the answer that says so is named."""
    app = b"import express from 'express';\nimport routes from './routes/authRoutes';\n"
    tree = _service(
        _order(limit=b"settings.max"),
        **{"src/index.ts": app + b"app.use('/api/v1/auth', routes);\n"},
    )
    checks = rules.checks(GAP, tree)
    limited = next(check for check in checks if check.criterion == "2.1")
    answer = "401 five times, then 429" if passed else "401 ten times"
    seen = [
        evidence("2.1", probe=name, passed=passed, observed=answer)
        for name in limited.unresolved[0].probes
    ]
    case = Case(tree_digest="tree", detection={GAP.slug: checks}, evidence=seen)
    asked = next(item for item in WO_004.criteria if item.id == "2.1")
    (ruling,) = judge(order(asked), case)
    assert ruling.verdict is verdict
    assert told in ruling.because


def test_derive_refuses_a_service_with_an_older_library() -> None:
    """An older major has no address helper, so nothing is written."""
    older = MANIFEST.replace(b'"4.22.3"', b'"4.22.3",\n    "express-rate-limit": "6.11.2"')
    (change,) = GAP.fix(_service(_order(use=b""), **{"package.json": older}))
    assert change.edits == ()
    assert change.unresolved[0].path == PurePosixPath(SERVICE) / "package.json"


def test_derive_keeps_crlf_quotes_and_long_calls() -> None:
    """The edit speaks the router's dialect."""
    router = (
        b'import { Router } from "express"\r\nconst router = Router()\r\n'
        b'router.post(\r\n    "/login",\r\n    controller.login\r\n)\r\n'
    )
    tree = _service(router)
    after = Overlay(tree, _edits(tree)).read(ROUTER) or b""
    assert b'import { loginRateLimiter } from "../middleware/authRateLimiter"\r\n' in after
    assert b'"/login",\r\n    loginRateLimiter,\r\n    controller.login\r\n' in after
    assert after.count(b"\n") == after.count(b"\r\n")


def test_derive_mends_an_unnamed_sibling() -> None:
    """A router that the order does not list is mended too, and said to be unnamed."""
    router = b"import { Router } from 'express'\nconst r = Router()\nr.post('/auth/login', login)\n"
    tree = MemoryTree({"svc/src/api.ts": router, "svc/package.json": MANIFEST})
    assert [item.named for item in rules.checks(GAP, tree)[0].findings] == [False]
    after = Overlay(tree, _edits(tree)).read("svc/src/api.ts") or b""
    assert b"from './middleware/authRateLimiter'" in after


def test_derive_appends_the_settings_to_the_example(reference: DiskTree) -> None:
    """The example names the proxies' number."""
    fixed = Overlay(reference, _edits(reference))
    example = fixed.read(f"{SERVICE}/.env.example") or b""
    assert example.startswith(reference.read(f"{SERVICE}/.env.example") or b"-")
    assert b"\nTRUST_PROXY_HOPS=\n" in example


def test_derive_names_the_settings_in_an_example_of_every_name() -> None:
    """A service may call its example as any other service does."""
    router = b"import { Router } from 'express'\nconst r = Router()\nr.post('/login', login)\n"
    files = {"p/src/api.ts": router, "p/package.json": MANIFEST, "p/.env.sample": b"PORT=1\n"}
    fixed = Overlay(MemoryTree(files), _edits(MemoryTree(files)))
    assert b"PORT=1\n# Sign-in limits" in (fixed.read("p/.env.sample") or b"")
    assert b"\nTRUST_PROXY_HOPS=\n" in (fixed.read("p/.env.sample") or b"")
    assert GAP.fix(fixed) == ()


def test_number_reads_constants_and_defaults() -> None:
    """Products, separators and environment defaults are read, unknown names are not guessed."""
    config = b"export const limits = { login: { max: 5 } };\n"
    source = b"import { limits } from './config';\nconst M = 60 * 1_000\n"
    tree = MemoryTree({"a.ts": source, "config.ts": config})
    values = TypeScriptValues(tree)
    read = {
        text: values.number(PurePosixPath("a.ts"), typescript.expression(text))
        for text in (
            "15 * M",
            "parseInt(process.env.MAX || '7', 10)",
            "settings.max",
            "limits.login.max",
            "Number(process.env.MAX)",
            "(process.env.MINUTES ?? 2) * M",
            "MAX / 0",
            "0x10",
        )
    }
    assert list(read.values()) == [900_000, 7, None, 5, None, 120_000, None, 16]


def test_limiters_follows_a_default_export_that_is_a_limiter() -> None:
    """A module that exports nothing but a limiter is read like one that names it."""
    made = b"import rateLimit from 'express-rate-limit'\nexport default rateLimit({ limit: 3 })\n"
    tree = MemoryTree({"a.ts": b"import strict from './strict.js'\n", "strict.ts": made})
    (found,) = limiters(tree, PurePosixPath("a.ts"), "strict")
    assert (found.name, found.limit) == ("strict", 3)


def test_limiters_stops_at_a_circle() -> None:
    """Names that lead to each other end the search."""
    tree = MemoryTree({"a.ts": b"const a = () => b();\nconst b = () => a();\n"})
    assert limiters(tree, PurePosixPath("a.ts"), "a") == ()


@pytest.mark.parametrize(
    "route",
    [
        b"r.post('/subscriptions/renew', billing.renew)",
        b"r.post('/logout', (req, res) => res.redirect('/login'))",
        b"r.post('/cache', cache.refresh)",
        b"r.post('/login-attempts', audit.record)",
        b"r.get('/login', page.login)",
        b"const answer = await api.post('/auth/login', body)",
    ],
)
def test_detect_ignores_routes_that_sign_nobody_in(route: bytes) -> None:
    """Renewing a subscription, leaving, refreshing a cache and calling a service are no sign-in."""
    router = b"import { Router } from 'express'\nconst r = Router()\n" + route + b"\n"
    checks = rules.checks(GAP, MemoryTree({"svc/src/api.ts": router, "svc/package.json": MANIFEST}))
    assert all(not check.examined and not check.findings for check in checks)


COMPOSE = b"""services:
  cache:
    image: redis:7-alpine
  p:
    build: ./p
    environment:
      - PORT=1
  other:
    image: other
    environment:
      REDIS_URL: redis://cache:6379/3
"""


def test_derive_hands_the_settings_on_through_compose_and_chart() -> None:
    """The service gets a database of the file's own Redis, and a chart values to set."""
    router = b"import { Router } from 'express'\nconst r = Router()\nr.post('/login', login)\n"
    tree = MemoryTree(
        {
            "docker-compose.yml": COMPOSE,
            "p/helm/values.yaml": b"env:\n  LOG_LEVEL: info\n",
            "p/src/api.ts": router,
            "p/package.json": MANIFEST,
        }
    )
    fixed = Overlay(tree, _edits(tree))
    assert (
        b"- PORT=1\n      - TRUST_PROXY_HOPS=${TRUST_PROXY_HOPS:-}\n"
        b"      - REDIS_URL=redis://cache:6379/4\n" in (fixed.read("docker-compose.yml") or b"")
    )
    assert b'  TRUST_PROXY_HOPS: ""\n' in (fixed.read("p/helm/values.yaml") or b"")
    assert GAP.fix(fixed) == ()


def test_detect_finds_a_limited_service_that_compose_keeps_its_settings_from() -> None:
    """Limiters that trust no proxy behind one take all clients for one: that is a finding."""
    router = b"import { Router } from 'express'\nconst r = Router()\nr.post('/login', login)\n"
    tree = MemoryTree({"p/src/api.ts": router, "p/package.json": MANIFEST})
    half = Overlay(tree, _edits(tree))
    files = {str(path): half.read(path) or b"" for path in half.paths()}
    again = MemoryTree({**files, "docker-compose.yml": COMPOSE})
    found = [item for check in rules.checks(GAP, again) for item in check.findings]
    assert [(str(item.path), item.message) for item in found] == [
        ("docker-compose.yml", "p is not handed TRUST_PROXY_HOPS and REDIS_URL")
    ]
    assert [edit.path.name for edit in _edits(again)] == ["docker-compose.yml"]


def test_route_is_found_in_a_service_whose_manifest_does_not_parse() -> None:
    """A manifest that cannot be read may list express."""
    router = b"const { router } = require('./made');\nrouter.post('/login', (req, res) => {});\n"
    tree = _service(router, **{"package.json": b'{"dependencies": {"express": "4"},,}'})
    assert any(_rules(tree).values())


@pytest.mark.parametrize(
    ("handler", "is_renewal"),
    [
        (b"(req, res) => res.json({ started: req.body.dashboardId })", False),
        (b"rebuild", False),
        (b"(req, res) => res.json(renew(req.body.token))", True),
        (b"(req, res) => res.json(renew(req.cookies.sid))", True),
        (b"elsewhere.refresh", True),
    ],
)
def test_detect_reads_the_handler_of_a_plain_refresh(handler: bytes, is_renewal: bool) -> None:
    """Figures are refreshed too: a renewal reads a token, or cannot be read itself."""
    router = (
        b"import { Router } from 'express'\nimport elsewhere from './elsewhere'\n"
        b"const r = Router()\nfunction rebuild(req, res) { res.json({ from: req.body.since }) }\n"
        b"r.post('/dashboards/refresh', " + handler + b")\nr.post('/login', elsewhere.login)\n"
    )
    tree = MemoryTree({"svc/src/figures.ts": router, "svc/package.json": MANIFEST})
    assert bool(_rules(tree)["2.2"]) == is_renewal


def test_renewal_is_looked_for_where_nobody_signs_in() -> None:
    """A service that only renews tokens is held to it, one that refreshes figures is not."""
    router = b"import { Router } from 'express'\nconst r = Router()\nr.post('/refresh', %s)\n"
    for handler, found in ((b"(q, s) => renew(q.body.token)", 1), (b"(q, s) => s.json(1)", None)):
        tree = MemoryTree({"s/src/r.ts": router % handler, "s/package.json": MANIFEST})
        assert _rules(tree).get("2.2") == found


def test_detect_knows_a_renewal_by_the_path_before_it() -> None:
    """Below /auth, /refresh is a session's whatever its handler is called."""
    router = (
        b"import { Router } from 'express'\nconst r = Router()\nr.post('/auth/refresh', () => 1)\n"
    )
    tree = MemoryTree({"svc/src/figures.ts": router, "svc/package.json": MANIFEST})
    assert _rules(tree)["2.2"] == 1


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"import { Post } from '@nestjs/common';\n@Post('login')\nlogin() {}\n", [2]),
        (b"const app = require('fastify')();\napp.post('/auth/sign-in', h);\n", [2]),
        (b"import Router from '@koa/router';\nrouter.post('/refresh', h);\n", [2]),
        (b"import { Post } from '@nestjs/common';\n@Throttle({})\n@Post('login')\nl() {}\n", []),
        (b"const app = require('fastify')();\napp.post('/feed/login-count', h);\n", []),
        (b"const app = require('fastify')();\nclient.post('/login', h);\n", []),
        (
            (
                b"// @Throttle here some day\nimport { Post } from '@nestjs/common';\n"
                b"import { Request } from 'express';\nconst m = 'ratelimit';\n"
                b"@Post('login')\nl() {}\n"
            ),
            [5],
        ),
        (b"import { Get } from '@nestjs/common';\n// @Post('login') was here\nl() {}\n", []),
    ],
    ids=[
        *("nest", "fastify", "koa", "limited", "another path", "a client"),
        *("limited in a remark", "in a remark"),
    ],
)
def test_detect_tells_a_login_of_another_framework(text: bytes, lines: list[int]) -> None:
    """Only Express is mended; a login that is not judged is no closed one."""
    _, told = auth_routes(MemoryTree({"desk/package.json": b"{}", "desk/src/index.ts": text}))
    assert [item.line for item in told] == lines


@pytest.mark.parametrize(
    ("route", "is_told"),
    [
        (b"router.post('/sso/saml/:id/callback', sso.handle);", True),
        (b"router.post('/saml2/acs', sso.handle);", True),
        (b"router.post('/sso/saml/:id/callback', limiter, sso.handle);", False),
        (b"router.get('/sso/saml/:id/callback', sso.handle);", False),
        (b"router.post('/sso/saml/providers', sso.make);", False),
        (b"router.post('/payments/callback', pay.handle); // saml", False),
    ],
)
def test_detect_tells_an_assertion_without_a_limiter_beside_the_order(
    route: bytes, *, is_told: bool
) -> None:
    """A single sign-on's answer is told where nothing limits it, and opens no box of the order."""
    tree = _service(_order() + route + b"\n")
    found = rules.findings(rules.checks(GAP, tree))
    told = [item for item in found if item.rule == "assertion-is-limited"]
    assert [item.criterion for item in told] == [NO_CRITERION] * is_told
    assert [item for item in found if item not in told] == []


def test_propose_closes_the_sign_in_beside_an_assertion() -> None:
    """What is told beside the order takes no edit of the order's places down with it."""
    plain = ORDER % (b"5", b"req.body.email", b"", b"")
    tree = _service(plain + b"router.post('/saml/acs', sso.handle);\n")
    made = planner.plan([GAP], tree, lambda _: PreparedSet(patches=(), withheld=()))
    assert made.edits
    left = rules.findings(made.after[GAP.slug])
    assert [item.criterion for item in left] == [NO_CRITERION]


@pytest.mark.parametrize(
    ("router", "more", "reason"),
    [
        (".ts", {}, "no tsconfig.json says whether .js and .ts files may import each other here"),
        (".ts", {"tsconfig.json": b"{}"}, "tsconfig.json has no allowJs"),
        (".mjs", {}, ".mjs files are not edited, only .ts and .js"),
    ],
)
def test_refusal_gives_the_reason_that_holds(
    router: str, more: dict[str, bytes], reason: str
) -> None:
    """It said "only .ts and .js routers are edited" of a .ts router in a package of both.

    Where else: a secret in such a file, which is refused in the same words.
    """
    text = b"const app = require('express')();\napp.post('/login', (q, r) => r.json({}));\n"
    tree = MemoryTree(
        {
            "desk/package.json": MANIFEST,
            "desk/src/index.js": text,
            f"desk/src/other{router}": text,
            **{f"desk/{name}": content for name, content in more.items()},
        }
    )
    found = [item for change in GAP.fix(tree) for item in change.unresolved]
    assert {item.path.suffix for item in found} == {".js", router}
    assert all(item.detail.startswith(reason) for item in found), found
