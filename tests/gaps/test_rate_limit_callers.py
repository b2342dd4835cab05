"""What hands sign-ins on says for whom, and limiters that stand unused are used."""

from pathlib import PurePosixPath

import pytest

from closeout.engine import rules
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps.rate_limit import GAP
from closeout.model import Edit, Tree

MANIFEST = b'{\n  "name": "s",\n  "dependencies": {\n    "express": "4.22.3"\n  }\n}\n'
SEVEN = MANIFEST.replace(b'"4.22.3"', b'"4.22.3",\n    "express-rate-limit": "^7.1.5"')
ACCOUNTS = b"""import { Router } from 'express';
const router = Router();
router.post('/auth/login', (req, res) => res.json(check(req.body.email, req.body.password)));
router.post('/auth/refresh', (req, res) => res.json(renew(req.body.refreshToken)));
export default router;
"""
GATE = b"""import { Router } from 'express';
import { ask } from './ask';
const router = Router();
%s
router.post('/auth/login', %s);
export default router;
"""
ASK = b"""export async function ask(path: string, options: { headers?: Record<string, string> }) {
  return fetch(process.env.ACCOUNTS_URL + path, options);
}
"""
COMPOSE = b"""services:
  accounts:
    build: ./accounts
    environment:
      - PORT=1
  gate:
    build: ./gate
    environment:
      - ACCOUNTS_URL=http://accounts:1
"""
CHAIN = b"[req.headers['x-forwarded-for'], req.socket.remoteAddress].filter(Boolean).join(', ')"


def _tree(gate: bytes, **more: bytes) -> MemoryTree:
    files = {
        "accounts/src/routes.ts": ACCOUNTS,
        "accounts/package.json": MANIFEST,
        "gate/src/routes.ts": gate,
        "gate/src/ask.ts": ASK,
        "gate/package.json": MANIFEST,
        "docker-compose.yml": COMPOSE,
    }
    return MemoryTree({**files, **more})


def _edits(tree: Tree) -> tuple[Edit, ...]:
    return tuple(edit for change in GAP.fix(tree) for edit in change.edits)


def _fixed(tree: Tree) -> Overlay:
    fixed = Overlay(tree, _edits(tree))
    checks = rules.checks(GAP, fixed)
    assert [item for check in checks for item in (*check.findings, *check.unresolved)] == []
    assert GAP.fix(fixed) == ()
    return fixed


def _messages(tree: Tree) -> list[str]:
    return [item.message for check in rules.checks(GAP, tree) for item in check.findings]


INLINE = b"""async (req, res) => {
  const answer = await ask('/auth/login', { method: 'POST', headers: { 'x-trace': '1' } });
  res.status(answer.status).json(await answer.json());
}"""
MADE = b"""function passedOn(request) {
  const headers: Record<string, string> = {};
  if (request.headers.authorization) headers.authorization = request.headers.authorization;
  return headers;
}
async function signIn(req, res) {
  res.json(await ask('/auth/login', { headers: passedOn(req) }));
}"""
HELD = b"""async (req, res) => {
  const headers = { ...req.headers };
  res.json(await ask('/auth/login', { headers }));
}"""


@pytest.mark.parametrize(
    ("gate", "after"),
    [
        (GATE % (b"", INLINE), b"headers: { 'x-trace': '1', 'x-forwarded-for': " + CHAIN + b" }"),
        (GATE % (b"", HELD), b"{ ...req.headers, 'x-forwarded-for': " + CHAIN + b" }"),
        (
            GATE % (MADE, b"wrapped(signIn)"),
            b"= {\n    'x-forwarded-for': " + CHAIN.replace(b"req.", b"request.") + b",\n  };",
        ),
    ],
    ids=["in-the-call", "held-by-a-name", "made-by-a-function"],
)
def test_derive_has_a_gateway_forward_the_address(gate: bytes, after: bytes) -> None:
    """The called service trusts exactly that hop, and limits; the gateway's route is no gap."""
    tree = _tree(gate)
    told = "accounts is not told the client's address: to its limiter all users are one"
    assert told in _messages(tree)
    fixed = _fixed(tree)
    assert after in (fixed.read("gate/src/routes.ts") or b"")
    assert b"TRUST_PROXY_HOPS=${TRUST_PROXY_HOPS:-1}" in (fixed.read("docker-compose.yml") or b"")
    assert fixed.read("gate/package.json") == MANIFEST


def test_derive_tells_a_proxy_to_forward_the_address() -> None:
    """A proxy whose target compose sets to the called service gets its own option for that."""
    proxy = b"""import { createProxyMiddleware } from 'http-proxy-middleware';
export const toAccounts = createProxyMiddleware({
  target: process.env.ACCOUNTS_URL,
  changeOrigin: true,
});
export const toBilling = createProxyMiddleware({ target: 'http://billing:2' });
"""
    fixed = _fixed(_tree(b"export const none = 1;\n", **{"gate/src/proxy.ts": proxy}))
    after = fixed.read("gate/src/proxy.ts") or b""
    assert b"  changeOrigin: true,\n  xfwd: true,\n});" in after
    assert after.count(b"xfwd") == 1


@pytest.mark.parametrize(
    "handler",
    [
        b"(req, res) => ask('/auth/login', { headers: { 'X-Forwarded-For': req.ip } })",
        b"(req, res) => ask('/orders', { headers: { a: '1' } })",
        b"(req, res) => res.redirect('/auth/login')",
    ],
    ids=["forwards", "calls-something-else", "redirects"],
)
def test_derive_leaves_what_forwards_or_hands_nothing_on(handler: bytes) -> None:
    """A gateway that says who asks is right; a route that hands no sign-in on is another's."""
    tree = _tree(GATE % (b"", handler))
    assert not any("is not told" in message for message in _messages(tree))
    assert handler in (Overlay(tree, _edits(tree)).read("gate/src/routes.ts") or b"")


def test_derive_reports_a_gateway_that_it_cannot_mend() -> None:
    """Where headers are made is not always to be read; then the place is told, and left."""
    tree = _tree(GATE % (b"", b"(req, res) => ask('/auth/login', options)"))
    unresolved = [item for check in rules.checks(GAP, tree) for item in check.unresolved]
    assert [(str(item.path), item.line) for item in unresolved] == [("gate/src/routes.ts", 5)]
    assert [item for change in GAP.fix(tree) for item in change.unresolved] == unresolved
    limiter = Overlay(tree, _edits(tree)).read("accounts/src/middleware/authRateLimiter.ts") or b""
    assert b"address === undefined || hops === 0;" in limiter


def test_derive_trusts_no_hop_where_nothing_of_the_tree_calls() -> None:
    """Without a gateway the service's own setting holds: a number would be a guess."""
    fixed = _fixed(_tree(b"export const none = 1;\n"))
    limiter = fixed.read("accounts/src/middleware/authRateLimiter.ts") or b""
    assert b"hops === 0;" not in limiter
    assert b"TRUST_PROXY_HOPS=${TRUST_PROXY_HOPS:-}" in (fixed.read("docker-compose.yml") or b"")


@pytest.mark.parametrize(("ingress", "hops"), [(b"true", b'"2"'), (b"false", b'"1"')])
def test_derive_counts_the_ingress_before_the_gateway(ingress: bytes, hops: bytes) -> None:
    """In a cluster the gateway's own ingress writes the client's address."""
    more = {
        "gate/helm/values.yaml": b"ingress:\n  enabled: " + ingress + b"\n",
        "accounts/helm/values.yaml": b"env:\n  LEVEL: info\n",
    }
    fixed = _fixed(_tree(GATE % (b"", INLINE), **more))
    assert b"TRUST_PROXY_HOPS: " + hops in (fixed.read("accounts/helm/values.yaml") or b"")


UNUSED = b"""import rateLimit from 'express-rate-limit';

export const apiRateLimiter = rateLimit({ windowMs: 60 * 1000, max: 100 });

// For pages that sign in.
// Allow 3 requests per hour per IP
export const authRateLimiter = rateLimit({
    windowMs: 60 * 60 * 1000, // 1 hour
    max: 3,
    standardHeaders: true
});
"""


def test_derive_mounts_the_limiter_that_stands_unused() -> None:
    """Another major of the library stays: no dependency changes, nothing is doubled."""
    more = {"gate/package.json": SEVEN, "gate/src/limits.ts": UNUSED}
    tree = _tree(GATE % (b"", INLINE), **more)
    assert "POST /login has no rate limiter" in _messages(tree)
    fixed = _fixed(tree)
    router = fixed.read("gate/src/routes.ts") or b""
    assert b"import { authRateLimiter } from './limits';" in router
    assert b"router.post('/auth/login', authRateLimiter, async (req, res) => {" in router
    limits = fixed.read("gate/src/limits.ts") or b""
    assert b"    windowMs: 15 * 60 * 1000,\n    max: 5,\n    standardHeaders: true,\n" in limits
    assert b"hour" not in limits
    assert b"// For pages that sign in.\n// Five failed attempts" in limits
    assert fixed.read("gate/package.json") == SEVEN
    assert all(PurePosixPath("gate/src/middleware") not in path.parents for path in fixed.paths())


@pytest.mark.parametrize(
    ("ingress", "app", "after"),
    [
        (b"true", b"", b"app.set('trust proxy', Number(process.env.TRUST_PROXY) || 0);\n"),
        (b"false", b"", None),
        (b"true", b"app.set('trust proxy', 'loopback');\n", None),
    ],
    ids=["ingress", "no-ingress", "says-itself"],
)
def test_derive_has_the_unused_limiter_count_clients_and_not_their_ingress(
    ingress: bytes, app: bytes, after: bytes | None
) -> None:
    """Behind an ingress all are of one address: who guesses would lock the owner out."""
    start = b"import express from 'express';\nconst app = express();\n"
    more = {
        "gate/package.json": SEVEN,
        "gate/src/limits.ts": UNUSED,
        "gate/src/index.ts": start + app,
        "gate/helm/values.yaml": b"ingress:\n  enabled: " + ingress + b"\nenv:\n  LEVEL: info\n",
    }
    fixed = _fixed(_tree(GATE % (b"", INLINE), **more))
    text = fixed.read("gate/src/index.ts") or b""
    assert text.endswith(after) if after else text == start + app
    values = fixed.read("gate/helm/values.yaml") or b""
    assert (b'TRUST_PROXY: "1"' in values) is bool(after)
    compose = fixed.read("docker-compose.yml") or b""
    gate = compose.partition(b"  gate:")[2]
    assert (b"      - TRUST_PROXY=${TRUST_PROXY:-0}\n" in gate) is bool(after)
    assert not _edits(fixed)


def test_derive_has_the_unused_limiter_answer_as_the_order_asks() -> None:
    """Nobody saw its answer before; a route's other spellings are the same route."""
    own = b"standardHeaders: true,\n    message: { status: 429, error: 'Slow down' }"
    more = {
        "gate/package.json": SEVEN,
        "gate/src/limits.ts": UNUSED.replace(b"standardHeaders: true", own),
    }
    limits = _fixed(_tree(GATE % (b"", INLINE), **more)).read("gate/src/limits.ts") or b""
    assert b"message: { error: { code: 'TOO_MANY_REQUESTS', message: '" in limits
    assert b"Slow down" not in limits
    assert b"[req.route?.path ?? req.path, String(" in limits


def test_derive_leaves_a_limiter_that_is_used_elsewhere() -> None:
    """What another route relies on is not changed for this one."""
    used = b"import { authRateLimiter } from './limits';\nexport const x = [authRateLimiter];\n"
    more = {"gate/package.json": SEVEN, "gate/src/limits.ts": UNUSED, "gate/src/other.ts": used}
    fixed = _fixed(_tree(GATE % (b"", INLINE), **more))
    assert fixed.read("gate/src/limits.ts") == UNUSED


PYTHON = b"""import httpx
from fastapi import FastAPI, Request
app = FastAPI()
BASE = "http://accounts:1"


@app.post("/auth/login")
async def login(%s):
    async with httpx.AsyncClient() as client:
        answer = await client.post(%s)
    return answer.json()
"""
ASKED = 'request.headers.get("x-forwarded-for"), request.client.host if request.client else None'
ENTRY = f'"x-forwarded-for": ", ".join(filter(None, [{ASKED}]))'


@pytest.mark.parametrize(
    ("call", "after"),
    [
        (
            'f"{BASE}/auth/login", json={}',
            f'f"{{BASE}}/auth/login", json={{}}, headers={{{ENTRY}}}',
        ),
        ('BASE + "/auth/login", headers=known', f"headers={{**known, {ENTRY}}}"),
        ('url="http://accounts:1/auth/login"', f", headers={{{ENTRY}}}"),
    ],
)
def test_derive_has_a_python_gateway_forward_the_address(call: str, after: str) -> None:
    """An HTTP client of Python's says for whom it asks, too."""
    more = {
        "desk/main.py": PYTHON % (b"request: Request", call.encode()),
        "desk/requirements.txt": b"fastapi\nhttpx\n",
    }
    fixed = _fixed(_tree(b"export const none = 1;\n", **more))
    assert after in (fixed.read("desk/main.py") or b"").decode()
    assert b"TRUST_PROXY_HOPS=${TRUST_PROXY_HOPS:-1}" in (fixed.read("docker-compose.yml") or b"")


def test_derive_reports_a_python_gateway_that_takes_no_request() -> None:
    """Without the request nobody knows the client: that is told, and the route left."""
    main = PYTHON % (b"", b'f"{BASE}/auth/login"')
    tree = _tree(b"export const none = 1;\n", **{"desk/main.py": main, "desk/setup.py": b""})
    (left,) = {item for check in rules.checks(GAP, tree) for item in check.unresolved}
    assert (str(left.path), left.line) == ("desk/main.py", 10)


def test_derive_leaves_a_python_service_that_asks_for_something_else() -> None:
    """A route of its own, and another service's, are no sign-in that is handed on."""
    main = PYTHON % (b"request: Request", b'f"{BASE}/orders/login-attempts"')
    tree = _tree(b"export const none = 1;\n", **{"desk/main.py": main, "desk/setup.py": b""})
    assert _fixed(tree).read("desk/main.py") == main


PAGES = b"""server {
    listen 80; # "{" of a remark
    set $gate http://gate:2;
    location /api/ {
        proxy_pass $gate;
%s    }
    location / { try_files $uri /index.html; }
}
"""
SAID = b"        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", PAGES % SAID),
        (
            b"        proxy_set_header Host $host;\n",
            PAGES % (b"        proxy_set_header Host $host;\n" + SAID),
        ),
        (SAID, PAGES % SAID),
    ],
    ids=["no-header", "another-header", "forwards"],
)
def test_derive_counts_the_nginx_before_a_gateway_and_has_it_forward_the_address(
    before: bytes, after: bytes
) -> None:
    """Behind a page's nginx the gateway's caller is that nginx: one hop more holds the client."""
    tree = _tree(GATE % (b"", INLINE), **{"web/nginx.conf": PAGES % before})
    told = [item for check in rules.checks(GAP, tree) for item in check.findings]
    assert any(str(item.path) == "web/nginx.conf" for item in told) == (before != SAID)
    fixed = _fixed(tree)
    assert fixed.read("web/nginx.conf") == after
    assert b"TRUST_PROXY_HOPS=${TRUST_PROXY_HOPS:-2}" in (fixed.read("docker-compose.yml") or b"")


@pytest.mark.parametrize(
    ("compose", "page", "hops"),
    [
        (COMPOSE.replace(b"./gate\n", b"./gate\n    ports: ['2:2']\n"), PAGES % SAID, b"1"),
        (COMPOSE, (PAGES % SAID).replace(b"//gate:", b"//orders:"), b"1"),
        (COMPOSE, (PAGES % SAID).replace(b"proxy_pass $gate", b"# proxy_pass $gate"), b"1"),
        (
            COMPOSE,
            b"upstream ways { server gate:2 max_fails=3; server other:2; }\n"
            + (PAGES % SAID).replace(b"//gate:2", b"//ways"),
            b"2",
        ),
    ],
    ids=["the-gateway-is-published", "another-host", "a-remark", "an-upstream"],
)
def test_derive_trusts_no_more_hops_than_stand_before_the_gateway(
    compose: bytes, page: bytes, hops: bytes
) -> None:
    """Where the gateway can be reached beside nginx, whoever does so would choose his address."""
    more = {"web/nginx.conf": page, "docker-compose.yml": compose}
    fixed = _fixed(_tree(GATE % (b"", INLINE), **more))
    written = fixed.read("docker-compose.yml") or b""
    assert b"TRUST_PROXY_HOPS=${TRUST_PROXY_HOPS:-" + hops + b"}" in written
    assert fixed.read("web/nginx.conf") == page


def _published(accounts: bytes, gate: bytes = b"") -> MemoryTree:
    compose = COMPOSE.replace(b"./accounts\n", b"./accounts\n" + accounts)
    more = {"docker-compose.yml": compose.replace(b"./gate\n", b"./gate\n" + gate)}
    return _tree(GATE % (b"", INLINE), **more)


@pytest.mark.parametrize(
    ("tree", "line"),
    [
        (_published(b"    ports: ['5:1']\n"), 4),
        (_published(b"    ports: ['${AT:-0.0.0.0}:5:1']\n"), 4),
        (_published(b"    ports: ['127.0.0.1:5:1']\n"), None),
        (_published(b"    expose: ['1']\n"), None),
        (_published(b"", b"    ports: ['5:1']\n"), None),
    ],
    ids=["everywhere", "by-a-default", "loopback", "not-published", "the-gateway"],
)
def test_fix_tells_where_a_service_is_reached_beside_its_gateway(
    tree: MemoryTree, line: int | None
) -> None:
    """Whoever calls it there chooses the address that is counted for him."""
    told = [item for change in GAP.fix(tree) for item in change.unresolved]
    beside = [item.line for item in told if "beside the gateway" in item.detail]
    assert beside == ([] if line is None else [line])


@pytest.mark.parametrize(
    "files",
    [
        {"web/nginx.conf": (PAGES % SAID).replace(b"//gate:", b"//accounts:")},
        {
            "docker-compose.yml": COMPOSE.replace(
                b"./accounts\n",
                b"./accounts\n    labels: ['traefik.http.routers.a.rule=Path(`/`)']\n",
            )
            + b"  edge:\n    image: docker.io/traefik:v3\n"
        },
    ],
    ids=["nginx", "traefik"],
)
def test_derive_trusts_the_reverse_proxy_right_before_the_service(files: dict[str, bytes]) -> None:
    """Without it all users behind the proxy would be one address."""
    fixed = _fixed(_tree(b"export const none = 1;\n", **files))
    assert b"TRUST_PROXY_HOPS=${TRUST_PROXY_HOPS:-1}" in (fixed.read("docker-compose.yml") or b"")


ASKED = b"""async function asked(email: string) {
  const answer = await ask('/auth/login', { headers: {} });
  return answer.ok ? { ok: true, status: 200, data: 1 } : { ok: false, status: answer.status };
}
"""
HANDED = b"""function handOn(result, res, fallback = 'INTERNAL_ERROR') {
  if (result.ok) {
    res.status(result.status).json(result.data);
  } else {
    const status = result.status >= 400 ? result.status : 502;
    res.status(status).json({
      error: { code: status === 502 ? 'UNAVAILABLE' : fallback },
    });
  }
}
"""
SIGN_IN = b"""async (req, res) => {
  try {
    handOn(await asked(req.body.email), res);
  } catch (error) {
    res.status(500).json({ error: { code: 'INTERNAL_ERROR' } });
  }
}"""
NOT_OK = b"""async (req, res) => {
  const answer = await ask('/auth/login', { headers: {} });
  if (!answer.ok) {
    return res.status(502).json({ error: 'upstream' });
  }
  res.json(await answer.json());
}"""
CAUGHT = b"""async (req, res) => {
  try {
    const answer = await axios.post('/auth/login', req.body, { headers: {} });
    res.json(answer.data);
  } catch (error) {
    res.status(500).json({ error: 'login failed' });
  }
}"""


def _mistaken(tree: Tree) -> list[tuple[str, int, str]]:
    return [
        (str(item.path), item.line, item.detail)
        for change in GAP.fix(tree)
        for item in change.unresolved
        if "a sign-in that" in item.detail
    ]


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (GATE % (ASKED + HANDED, SIGN_IN), "the code INTERNAL_ERROR"),
        (GATE % (b"", NOT_OK), "502"),
        (GATE % (b"import axios from 'axios';", CAUGHT), "500"),
    ],
    ids=["a-code-for-every-refusal", "not-ok", "caught"],
)
def test_derive_tells_a_gateway_that_answers_a_limited_sign_in_as_a_failure(
    gate: bytes, said: str
) -> None:
    """The place of the answer is named, and what it says; the gateway's own code stays."""
    tree = _tree(gate)
    wrong = b"res.status(status)" if said.startswith("the") else f"res.status({said})".encode()
    line = gate.count(b"\n", 0, gate.index(wrong)) + 1
    detail = f"answers {said} to a sign-in that accounts limits"
    assert _mistaken(tree) == [("gate/src/routes.ts", line, detail)]
    fixed = Overlay(tree, _edits(tree))
    after = fixed.read("gate/src/routes.ts") or b""
    assert after.count(b"res.status(") == gate.count(b"res.status(")
    assert _mistaken(fixed) == []


OWN = SIGN_IN.replace(b"), res)", b"), res, 'LOGIN_REFUSED')")
BELOW = HANDED.replace(b"status === 502 ? 'UNAVAILABLE'", b"status < 500 ? 'REFUSED'")
KNOWING = HANDED.replace(b"=== 502 ?", b"=== 429 ? 'TOO_MANY' : status === 502 ?")
BEFORE = HANDED.replace(
    b"  if (result.ok)",
    b"  if (result.status < 500) return res.status(400).end();\n  if (result.ok)",
)
MORE = NOT_OK.replace(
    b"  if (", b"  if (!answer.ok && answer.headers.has('x-wait')) return res.end();\n  if ("
)
INSIDE = NOT_OK.replace(b"    return", b"    if (soft(answer)) return res.end();\n    return")
ASIDE = CAUGHT.replace(
    b"    res.status", b"    error.response && handOn(error, res);\n    res.status"
)
AXIOS = b"import axios from 'axios';"


@pytest.mark.parametrize(
    "gate",
    [
        GATE % (b"", INLINE),
        GATE % (ASKED + HANDED, OWN),
        GATE % (ASKED + BELOW, SIGN_IN),
        GATE % (ASKED + HANDED.replace(b"INTERNAL_ERROR", b"REFUSED"), SIGN_IN),
        GATE % (ASKED + KNOWING, SIGN_IN),
        GATE % (ASKED + BEFORE, SIGN_IN),
        GATE % (b"", MORE),
        GATE % (b"", INSIDE),
        GATE % (b"", NOT_OK.replace(b"res.status(502)", b"res.status(401)")),
        GATE % (b"", NOT_OK.replace(b"res.status(502)", b"res.status(answer.status)")),
        GATE % (AXIOS, ASIDE),
        GATE % (AXIOS, CAUGHT.replace(b"headers: {}", b"validateStatus: () => true")),
        GATE % (b"", NOT_OK.replace(b"/auth/login", b"/orders")),
    ],
    ids=[
        "hands-on", "own-code", "by-the-status", "no-failure", "knows-429", "asks-before",
        "asks-for-more", "asks-inside", "refuses", "its-status", "its-response", "throws-never",
        "another-call",
    ],
)  # fmt: skip
def test_derive_leaves_a_gateway_whose_answer_may_be_right(gate: bytes) -> None:
    """Where the number is asked for, handed on, or not certain, nothing is told."""
    assert _mistaken(_tree(gate)) == []
