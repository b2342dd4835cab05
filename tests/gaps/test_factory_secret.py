"""Secrets leave the source, and the factory secret reaches its service."""

import subprocess
from pathlib import Path

import pytest

from closeout.engine import rules
from closeout.fs.tree import DiskTree, MemoryTree, Overlay
from closeout.gaps.factory_secret import GAP
from closeout.model import Edit, Reason, Tree
from closeout.parsing import typescript_values
from closeout.parsing.typescript_values import Leaf
from closeout.resources import BUNDLE
from tests.support.delivered import not_interpolated

REGISTRY = "cloud-layer/cloud-tenant-registry"
CONTROLLER = f"{REGISTRY}/src/controllers/provisioning.ts"
EXAMPLE = f"{REGISTRY}/.env.example"
MANIFEST = b'{\n  "name": "s",\n  "dependencies": {\n    "express": "5.3.0"\n  }\n}\n'
HANDLER = b"""import { Request, Response } from 'express';
export function claim(req: Request, res: Response) {
  const { claimCode } = req.body;
  if (claimCode !== 'FACTORY-SECRET') {
    %sreturn res.status(403).send('no');
  }
  return res.json({});
}
"""
ACCEPTING = b"""import { Request, Response } from 'express';
export function claim(req: Request, res: Response) {
  if ('FACTORY-SECRET' === req.body.claimCode) return res.json({});
  return res.status(403).send('no');
}
"""
ROUTES = b"""import { Router } from 'express';
import * as provisioning from './provisioning';
const router = Router();
router.post('/claim', provisioning.claim);
"""


@pytest.fixture
def reference(tmp_path: Path) -> DiskTree:
    """Copy the reference services with a secret in their source, and their compose file."""
    source = BUNDLE / "reference" / "farmiq"
    for service in (REGISTRY, "cloud-layer/cloud-identity-access"):
        for path in sorted((source / service).rglob("*")):
            if path.is_file() and "node_modules" not in path.parts:
                target = tmp_path / path.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
    compose = "cloud-layer/docker-compose.yml"
    (tmp_path / compose).write_bytes((source / compose).read_bytes())
    return DiskTree(tmp_path)


def _service(handler: bytes, **more: bytes) -> MemoryTree:
    files = {
        "p/src/provisioning.ts": handler,
        "p/src/routes.ts": ROUTES,
        "p/package.json": MANIFEST,
    }
    return MemoryTree({**files, **{f"p/{name}": text for name, text in more.items()}})


def _rules(tree: Tree) -> dict[str, int]:
    return {check.rule: len(check.findings) for check in rules.checks(GAP, tree)}


def _edits(tree: Tree) -> tuple[Edit, ...]:
    return tuple(edit for change in GAP.fix(tree) for edit in change.edits)


def _fixed(tree: Tree) -> Overlay:
    return Overlay(tree, _edits(tree))


def test_detect_names_the_orders_line_on_the_reference(reference: DiskTree) -> None:
    """The order cites line 13; a fallback elsewhere is found as its unnamed sibling."""
    source = rules.checks(GAP, reference)[0]
    places = {(str(item.path), item.line, item.named) for item in source.findings}
    assert places == {
        (CONTROLLER, 13, True),
        ("cloud-layer/cloud-identity-access/src/config/index.ts", 7, False),
    }
    assert not any("FACTORY-SECRET" in item.excerpt for item in source.findings)


def test_derive_closes_every_finding_and_is_idempotent(reference: DiskTree) -> None:
    """After the fix nothing is found, something was examined, and nothing is left to derive."""
    fixed = _fixed(reference)
    assert set(_rules(fixed).values()) == {0}
    assert all(check.examined and not check.unresolved for check in rules.checks(GAP, fixed))
    assert GAP.fix(fixed) == ()


def test_derive_removes_the_literal_from_every_source(reference: DiskTree) -> None:
    """Not even the module that refuses the old literal spells it out."""
    fixed = _fixed(reference)
    sources = [path for path in fixed.paths() if path.suffix == ".ts"]
    assert not [path for path in sources if b"FACTORY-SECRET" in (fixed.read(path) or b"")]


def test_derive_keeps_the_audit_line_and_the_style(reference: DiskTree) -> None:
    """The controller keeps its log line and gains no semicolons."""
    before = (reference.read(CONTROLLER) or b"").splitlines()
    after = (_fixed(reference).read(CONTROLLER) or b"").splitlines()
    assert b"        logger.warn('claim refused', { serialNumber })" in after
    assert [line for line in after if line not in before] == [
        b"import { refuseClaim } from '../config/factorySecret'",
        b"    const refusal = refuseClaim(claimCode)",
        b"    if (refusal) {",
        b"        return res.status(refusal.status).json(refusal.body)",
    ]


def test_derive_keeps_mixed_line_endings_of_the_example(reference: DiskTree) -> None:
    """Every byte of the example stays, and the new lines follow."""
    before = reference.read(EXAMPLE) or b"-"
    after = _fixed(reference).read(EXAMPLE) or b""
    assert after.startswith(before)
    added = [line for line in after[len(before) :].splitlines() if not line.startswith(b"#")]
    assert [line.split(b"=")[0] for line in added] == [
        b"TRUST_PROXY_HOPS",
        b"DEVICE_FACTORY_SECRET",
    ]
    assert b"DEVICE_FACTORY_SECRET=<" in after


def test_derive_hands_the_settings_through_compose(reference: DiskTree) -> None:
    """Compose gets the secret without a value of its own, and trusts no proxy unless told."""
    compose = "cloud-layer/docker-compose.yml"
    before = (reference.read(compose) or b"").splitlines()
    after = (_fixed(reference).read(compose) or b"").splitlines()
    assert [line for line in after if line not in before] == [
        b"      - DEVICE_FACTORY_SECRET=${DEVICE_FACTORY_SECRET}",
        b"      - TRUST_PROXY_HOPS=${CLAIMS_TRUST_PROXY_HOPS:-0}",
    ]


def test_detect_leaves_compose_alone_when_no_code_counts_proxies() -> None:
    """A service that takes its secret another way is not told of proxies it never asks about."""
    tree = MemoryTree(
        {
            "p/package.json": b"{}",
            "p/src/claim.ts": b"if (!same(claimCode, process.env.DEVICE_FACTORY_SECRET)) stop();\n",
            "p/.env.example": b"DEVICE_FACTORY_SECRET=\n",
            "docker-compose.yml": b"services:\n  p:\n    build: ./p\n    environment:\n"
            b"      DEVICE_FACTORY_SECRET: ${DEVICE_FACTORY_SECRET}\n",
        }
    )
    reaching = [item for item in rules.checks(GAP, tree) if item.rule == "secret-reaches-service"]
    assert [path.name for item in reaching for path in item.examined] == ["docker-compose.yml"]
    assert not any(item.findings for item in reaching)


def test_detect_ignores_what_only_looks_like_a_secret() -> None:
    """Kinds, error codes, types, blanks, comments and clean defaults are no secrets."""
    clean = b"""
// if (claimCode !== 'FACTORY-SECRET')
if (token === 'refresh' || typeof password !== 'string' || secret === '') {}
if (error.code === 'INVALID_TOKEN' || claims.tokenType === 'Bearer-2') {}
const INVALID_CLAIM_CODE = 'INVALID_CLAIM_CODE';
const ttl = process.env.ACCESS_TOKEN_TTL || '15m';
const key = process.env.API_KEY || '';
const cite = "claimCode !== 'FACTORY-SECRET'";
"""
    assert set(_rules(MemoryTree({"a/src/a.ts": clean, "a/package.json": MANIFEST})).values()) == {
        0
    }


def test_detect_leaves_a_claim_checked_against_the_environment_alone() -> None:
    """A service that reads the variable in its own way is examined and left alone."""
    own = HANDLER % b""
    own = own.replace(b"'FACTORY-SECRET'", b"process.env.DEVICE_FACTORY_SECRET")
    tree = _service(own, **{".env.example": b"DEVICE_FACTORY_SECRET=\n"})
    assert set(_rules(tree).values()) == {0}
    assert rules.checks(GAP, tree)[1].examined
    assert GAP.fix(tree) == ()


def test_derive_audits_a_refusal_that_nobody_logged() -> None:
    """A refusal without a log line gets one that holds no claim."""
    after = _fixed(_service(HANDLER % b"")).read("p/src/provisioning.ts") or b""
    assert (
        b"    console.warn('a claim was refused');\n    return res.status(refusal.status)" in after
    )


@pytest.mark.parametrize(
    ("before", "read", "said"),
    [
        (b"", b"const { serialNo, claimCode } = req.body;", b", { serialNo }"),
        (b"", b"const { claimCode, serial: number } = req.body;", b""),
        (
            b"function one(req) {\n  const { serialNo } = req.body;\n}\n",
            b"const { claimCode } = req.body;",
            b"",
        ),
        (
            b"",
            b"const { claimCode } = req.body;\n  if (x) { const { serialNo } = req.body; }",
            b"",
        ),
        (
            b"",
            b"const { claimCode } = req.body;\n  const f = () => { const { serial } = req.body };",
            b"",
        ),
        (b"", b"const { claimCode, serialNo } = req.body as Claim;", b", { serialNo }"),
        (b"", b"const { claimCode, serialNo = '' } = req.body;", b", { serialNo }"),
    ],
)
def test_derive_says_which_device_was_refused(before: bytes, read: bytes, said: bytes) -> None:
    """Where a name that the refusal can see holds the serial number, its log line does too."""
    handler = (HANDLER % b"").replace(b"const { claimCode } = req.body;", read)
    text = _fixed(_service(before + handler)).read("p/src/provisioning.ts") or b""
    assert b"console.warn('a claim was refused'%s);" % said in text


def test_derive_guards_the_route_of_the_handler() -> None:
    """The route that ends in the handler is limited."""
    after = _fixed(_service(HANDLER % b"")).read("p/src/routes.ts") or b""
    assert b"router.post('/claim', claimGuard, provisioning.claim);" in after


@pytest.mark.parametrize(
    "handler",
    [
        HANDLER % b"logger.warn('bad', { claimCode });\n    ",
        (HANDLER % b"").replace(b"!==", b"==="),
        (HANDLER % b"").replace(b"'FACTORY-SECRET')", b"'FACTORY-SECRET' && req.ip)"),
        (HANDLER % b"").replace(b"return res.status(403).send('no')", b"res.type('text')"),
    ],
    ids=["logs-the-claim", "inverted", "compound", "goes-on"],
)
def test_derive_refuses_what_it_would_have_to_guess(handler: bytes) -> None:
    """An unclear refusal is reported with its line and its file stays as it is."""
    changes = GAP.fix(_service(handler))
    assert [(item.reason, item.line) for item in changes[0].unresolved] == [(Reason.AMBIGUOUS, 4)]
    assert not [edit for edit in changes[0].edits if edit.path.suffix == ".ts"]


def test_derive_takes_no_remark_for_a_refusal() -> None:
    """Where a wrong claim is only said to throw, what happens to it is not known."""
    handler = (HANDLER % b"").replace(
        b"return res.status(403).send('no')", b"/* throw some day */ log('throw', 'x')"
    )
    changes = GAP.fix(_service(handler))
    assert [item.reason for item in changes[0].unresolved] == [Reason.AMBIGUOUS]


@pytest.mark.parametrize(
    ("handler", "asked"),
    [
        (
            (HANDLER % b"").replace(b"return res.status(403).send('no')", b"throw new Error('no')"),
            b"if (!acceptsClaim(claimCode)) {",
        ),
        (
            ACCEPTING,
            b"if (acceptsClaim(req.body.claimCode)) return",
        ),
    ],
    ids=["throws", "accepts-first"],
)
def test_derive_lets_the_route_refuse_where_the_refusal_has_no_plain_answer(
    handler: bytes, asked: bytes
) -> None:
    """The handler asks instead of comparing, and the guard before it checks the body's field."""
    fixed = _fixed(_service(handler))
    assert asked in (fixed.read("p/src/provisioning.ts") or b"")
    assert b"refuseClaim(req.body['claimCode'])" in (
        fixed.read("p/src/config/factorySecret.ts") or b""
    )
    assert set(_rules(fixed).values()) == {0}
    assert GAP.fix(fixed) == ()


def test_derive_reports_a_secret_in_a_constant() -> None:
    """Which variable a constant should come from is for its owner to say."""
    tree = MemoryTree({"a/src/a.ts": b"const API_KEY = 'k-123456';\n", "a/package.json": MANIFEST})
    assert _rules(tree)["no-secret-in-source"] == 1
    (change,) = GAP.fix(tree)
    assert (change.edits, change.unresolved[0].reason) == ((), Reason.AMBIGUOUS)


def test_detect_reports_a_controller_that_does_not_parse() -> None:
    """A broken controller is named with its line and not edited."""
    tree = _service((HANDLER % b"") + b"if (\n")
    assert rules.checks(GAP, tree)[0].unresolved[0].reason is Reason.UNPARSABLE
    assert not [edit for edit in _edits(tree) if edit.path.name == "provisioning.ts"]


def test_derive_replaces_a_real_value_in_the_example() -> None:
    """An example that gives the secret away gets the placeholder."""
    tree = _service(HANDLER % b"", **{".env.example": b"A=1\nDEVICE_FACTORY_SECRET=3f9c0d\nB=2\n"})
    assert _rules(tree)["example-has-placeholder"] == 1
    after = _fixed(tree).read("p/.env.example")
    assert after == b"A=1\nDEVICE_FACTORY_SECRET=<generate-secure-random-string>\nB=2\n"


def test_derive_adds_the_variable_to_a_chart_that_lists_secrets() -> None:
    """The chart takes it from the secret that its neighbour comes from."""
    values = b"secretEnv:\n  JWT_SECRET:\n    secret: p-secrets\n    key: JWT_SECRET\nother: 1\n"
    tree = _service(HANDLER % b"", **{"helm/values.yaml": values})
    assert _rules(tree)["secret-reaches-service"] == 1
    after = _fixed(tree).read("p/helm/values.yaml") or b""
    assert b"  DEVICE_FACTORY_SECRET:\n    secret: p-secrets\n" in after
    assert _rules(_fixed(tree))["secret-reaches-service"] == 0


DESK = {
    "desk/package.json": MANIFEST,
    "desk/src/keys.ts": b"export const signing = process.env.SIGNING_SECRET || 'tide-table-7'\n",
    "desk/src/vault.ts": (
        b"export const vault = connect({ token: process.env.VAULT_TOKEN || 'root-of-dev' })\n"
    ),
    "docker-compose.yml": (
        b"services:\n  desk:\n    build: ./desk\n    environment:\n      - PORT=1\n"
    ),
    "docker-compose.dev.yml": (
        b"services:\n  desk:\n    build: ./desk\n    environment:\n      PORT: 1\n"
    ),
}


def test_derive_delivers_what_the_code_no_longer_makes_up() -> None:
    """Every file that starts the service hands it on, and the example beside it names it."""
    fixed = _fixed(MemoryTree(DESK))
    assert b"requiredSecret('SIGNING_SECRET')" in (fixed.read("desk/src/keys.ts") or b"")
    for name in ("docker-compose.yml", "docker-compose.dev.yml"):
        assert b"${SIGNING_SECRET:?" in (fixed.read(name) or b"")
    assert not_interpolated(fixed) == []
    assert not any(_rules(fixed).values())
    assert GAP.fix(fixed) == ()


@pytest.mark.parametrize(
    ("written", "mended"),
    [
        (
            "process.env.PAY_SECRET || process.env.OLD_PAY_SECRET || 'tide-table-8'",
            "process.env.PAY_SECRET || process.env.OLD_PAY_SECRET || requiredSecret('PAY_SECRET')",
        ),
        (
            "(process.env.PAY_SECRET || process.env.OLD || 'tide-table-8').trim()",
            "(process.env.PAY_SECRET || process.env.OLD || requiredSecret('PAY_SECRET')).trim()",
        ),
        (
            "process.env.PAY_SECRET?.trim() ?? 'tide-table-8'",
            "process.env.PAY_SECRET?.trim() ?? requiredSecret('PAY_SECRET')",
        ),
    ],
)
def test_derive_asks_the_other_variables_of_a_chain_as_before(written: str, mended: str) -> None:
    """The first is the one to set: code and compose name it, and no text of code with it."""
    content = f"import x from './x'\n\nx({written})\n".encode()
    fixed = _fixed(MemoryTree(DESK | {"desk/src/pay.ts": content}))
    after = (fixed.read("desk/src/pay.ts") or b"").decode()
    assert f"x({mended})" in after
    for name in ("docker-compose.yml", "docker-compose.dev.yml"):
        assert b"PAY_SECRET=${PAY_SECRET:?" in (fixed.read(name) or b"").replace(b": ", b"=")
        assert b"process" not in (fixed.read(name) or b"")
    assert not any(_rules(fixed).values())
    assert GAP.fix(fixed) == ()


def test_derive_has_a_constant_take_the_variable_of_its_name() -> None:
    """A password that is kept in a constant comes from outside, and every starter brings it."""
    content = (
        b"import x from './x'\n\nconst FIRST_PASSWORD = 'rope-and-7-knots'\nx(FIRST_PASSWORD)\n"
    )
    fixed = _fixed(MemoryTree(DESK | {"desk/src/users.ts": content}))
    assert (fixed.read("desk/src/users.ts") or b"").decode().splitlines() == [
        "import x from './x'",
        "import { requiredSecret } from './config/requiredSecret'",
        "",
        "const FIRST_PASSWORD = requiredSecret('FIRST_PASSWORD')",
        "x(FIRST_PASSWORD)",
    ]
    for name in ("docker-compose.yml", "docker-compose.dev.yml"):
        assert b"${FIRST_PASSWORD:?" in (fixed.read(name) or b"")
    assert b"FIRST_PASSWORD=" in (fixed.read(".env.example") or b"")
    assert not any(_rules(fixed).values())
    assert GAP.fix(fixed) == ()


def test_derive_has_a_seed_hash_the_password_of_the_services_constant() -> None:
    """One password has one variable, and remarks and pages that tell it name that instead."""
    users = b"import x from './x'\n\nconst FIRST_PASSWORD = 'rope-and-7-knots'\nx(FIRST_PASSWORD)\n"
    seed = (
        b"import * as bcrypt from 'bcryptjs'\n\nexport async function main() {\n"
        b"  // First of all: rope-and-7-knots\n"
        b"  return bcrypt.hash('rope-and-7-knots', 10)\n}\n"
    )
    page = (
        b"const Hint = () => <p title={'Is rope-and-7-knots if empty'}>Now: rope-and-7-knots</p>\n"
        b"const known = (password: string) => password === 'rope-and-7-knots'\n"
    )
    more = {
        "desk/src/users.ts": users,
        "desk/prisma/seed.ts": seed,
        "web/src/Hint.tsx": page,
        "tools/load-tests/sign-in.js": b"post({ password: 'rope-and-7-knots' })\n",
        "tests/e2e/sign-in.spec.ts": b"await type('password', 'rope-and-7-knots')\n",
        "tools/smoke-tests/run.mjs": b"help(`password:\n  DESK_PASS=rope-and-7-knots node x`)",
        "docs/start.md": b'$env:DESK_PASSWORD = "rope-and-7-knots"\n',
        "docs/near.md": b"DESK_PASS=rope-and-7-knots-more, and PASS it on: rope-and-7-knots\n",
        ".notes/start.md": b"DESK_PASS=rope-and-7-knots\n",
    }
    tree = MemoryTree(DESK | more)
    assert "desk/prisma/seed.ts" in {
        str(item.path) for item in rules.findings(rules.checks(GAP, tree))
    }
    fixed = _fixed(tree)
    after = (fixed.read("desk/prisma/seed.ts") or b"").decode()
    assert "bcrypt.hash(requiredSecret('FIRST_PASSWORD'), 10)" in after
    assert "// First of all: FIRST_PASSWORD" in after
    assert "import { requiredSecret } from '../src/config/requiredSecret'" in after
    assert (fixed.read("web/src/Hint.tsx") or b"") == page.replace(
        b"Is rope-and-7-knots", b"Is the value of FIRST_PASSWORD"
    ).replace(b"Now: rope-and-7-knots", b"Now: the value of FIRST_PASSWORD")
    told = [item for change in GAP.fix(tree) for item in change.unresolved]
    assert {str(item.path) for item in told} == {
        "docs/start.md",
        "tests/e2e/sign-in.spec.ts",
        "tools/smoke-tests/run.mjs",
        "tools/load-tests/sign-in.js",
    }
    assert all("FIRST_PASSWORD" in item.hint for item in told)
    assert not any(_rules(fixed).values())
    assert GAP.fix(fixed) == ()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"bcrypt.hash('rope-and-7-knots', 10)", True),
        (b"bcryptjs.hashSync(`rope-and-7-knots`, 10)", True),
        (b"argon2.hash('rope-and-7-knots')", True),
        (b"bcrypt.hash(password, 10)", False),
        (b"crypto.hash('sha256', password)", False),
        (b"bcrypt.compare(password, row.password)", False),
    ],
)
def test_detect_finds_a_password_that_is_hashed_from_a_literal(
    content: bytes, *, found: bool
) -> None:
    """A seed's account opens to whoever has read the tree; without a variable a person mends it."""
    text = b"const password = ask()\nexport const made = " + content + b"\n"
    tree = MemoryTree(DESK | {"desk/prisma/seed.ts": text})
    places = [
        item for item in rules.findings(rules.checks(GAP, tree)) if item.path.name == "seed.ts"
    ]
    assert [item.message for item in places] == ["a password is hashed from a literal"] * found
    left = [item for change in GAP.fix(tree) for item in change.unresolved]
    assert [item.path.name for item in left] == ["seed.ts"] * found
    assert "rope" not in "".join(item.excerpt for item in places)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("desk/src/users.ts", b"const API_TOKEN = 'x-desk-token-1'\n"),
        ("desk/src/users.ts", b"const firstPassword = 'rope-and-7-knots'\n"),
        ("desk/src/users.ts", b"function a() {\n  const FIRST_PASSWORD = 'rope-7-knots'\n}\n"),
        ("desk/src/users.ts", b"const USER_PASSWORD = 'user-password'\n"),
        ("desk/prisma/seed.ts", b"const FIRST_PASSWORD = 'rope-and-7-knots'\n"),
        ("web/src/users.ts", b"const FIRST_PASSWORD = 'rope-and-7-knots'\n"),
    ],
)
def test_derive_leaves_a_constant_that_may_be_something_else(name: str, content: bytes) -> None:
    """A field's name, a local value, a seed's and a page's constant are left, and told."""
    web = {
        "web/package.json": b'{"name": "web", "devDependencies": {"vite": "5"}}',
        "docker-compose.yml": DESK["docker-compose.yml"] + b"  web:\n    build: ./web\n",
    }
    tree = MemoryTree(DESK | web | {name: content})
    fixed = _fixed(tree)
    assert fixed.read(name) == content
    left = [str(item.path) for each in GAP.fix(tree) for item in each.unresolved]
    assert left == [name]


def test_derive_keeps_an_option_of_a_client_optional() -> None:
    """A service that started without a client's token still does, and can be given one."""
    fixed = _fixed(MemoryTree(DESK))
    assert (fixed.read("desk/src/vault.ts") or b"").endswith(
        b"{ token: process.env.VAULT_TOKEN })\n"
    )
    assert b"- VAULT_TOKEN=${VAULT_TOKEN:-}\n" in (fixed.read("docker-compose.yml") or b"")


@pytest.mark.parametrize(
    ("server", "value"),
    [
        (
            b"image: hashicorp/vault:1\n    environment: {VAULT_DEV_TOKEN_ID: opens-it}",
            "${VAULT_DEV_TOKEN_ID:-opens-it}",
        ),
        (b"image: vault\n    environment: {A_TOKEN: '${B:-opens-it}'}", "${B:-opens-it}"),
        (b"image: hashicorp/vault:1\n    environment: {VAULT_ADDR: 'http://x'}", ""),
        (b"image: quay.io/valkey\n    environment: {VAULT_DEV_TOKEN_ID: opens-it}", ""),
    ],
)
def test_derive_opens_the_server_of_the_same_file_with_its_own_key(
    server: bytes, value: str
) -> None:
    """A client that had the server's token in its code is given that server's, not an empty one."""
    content = DESK["docker-compose.yml"] + b"  store:\n    " + server + b"\n"
    fixed = _fixed(MemoryTree(DESK | {"docker-compose.yml": content}))
    given = f"- VAULT_TOKEN=${{VAULT_TOKEN:-{value}}}\n".encode()
    assert given in (fixed.read("docker-compose.yml") or b"")


def test_derive_names_the_secret_in_the_example_that_compose_reads() -> None:
    """A copy of it that lacks the secret would have every claim turned away."""
    files = {
        "p/src/provisioning.ts": HANDLER % b"",
        "p/src/routes.ts": ROUTES,
        "p/package.json": MANIFEST,
        "docker-compose.yml": b"services:\n  p:\n    build: ./p\n    environment:\n      - A=1\n",
    }
    fixed = _fixed(MemoryTree({**files, ".env.example": b"A=1\n"}))
    assert b"\nDEVICE_FACTORY_SECRET=<" in (fixed.read(".env.example") or b"")
    assert _fixed(MemoryTree(files)).read(".env.example") is None


def test_detect_finds_an_undelivered_secret_in_mended_code() -> None:
    """Code that requires a variable which nothing hands on does not start."""
    fixed = _fixed(MemoryTree(DESK))
    code = {path: fixed.read(path) or b"" for path in ("desk/src/keys.ts", "desk/src/vault.ts")}
    assert _rules(MemoryTree(DESK | code))["secret-reaches-service"] == 2


def test_detect_takes_no_style_and_no_example_for_a_secret() -> None:
    """Near misses: a style's token, an example's text that is turned away, and a mock's."""
    clean = b"""
export const ACCENT_TOKEN = '--accent-quiet';
export const SPACING_TOKEN = 'space-large';
const isSet = !!clientSecret && clientSecret !== 'your_client_secret';
if (process.env.JWT_SECRET === 'change-this-before-going-live') { warn(); }
const mockAccessToken = 'header.e30=.signature';
"""
    assert not any(_rules(MemoryTree({"a/src/a.ts": clean, "a/package.json": MANIFEST})).values())


SWITCHED = b"""async function login(email, password) {
  const isKnown = password === 'tide-table-7' || password === 'rope-and-7-knots';
  %s {
    return guest();
  }
  return ask(email, password);
}
"""


@pytest.mark.parametrize(
    ("condition", "is_open"),
    [
        (b"if (import.meta.env.VITE_MOCK_MODE === 'true' && isKnown)", False),
        (b"if (import.meta.env.VITE_DEMO || import.meta.env.VITE_MOCK === true && isKnown)", False),
        (b"if (!(import.meta.env.VITE_MOCK_MODE !== 'true') && isKnown)", False),
        (b"if (process.env.REACT_APP_FAKE_LOGIN === '1') if (isKnown)", False),
        (b"const mock = import.meta.env.VITE_MOCK === 'true';\n  if (mock && isKnown)", False),
        (b"if (import.meta.env.VITE_MOCK_MODE === 'true' || isKnown)", True),
        (b"if (import.meta.env.VITE_MOCK_MODE !== 'true' && isKnown)", True),
        (b"if (import.meta.env.VITE_SSO === 'true' && isKnown)", True),
        (b"if (process.env.MOCK_MODE === 'true' && isKnown)", True),
        (b"if (import.meta.env.VITE_MOCK_MODE === 'true') {} else if (isKnown)", True),
        (b"log(isKnown);\n  if (import.meta.env.VITE_MOCK_MODE === 'true' && isKnown)", True),
        (b"if (isKnown)", True),
    ],
)
def test_detect_leaves_out_what_only_a_built_in_mock_mode_compares(
    condition: bytes, *, is_open: bool
) -> None:
    """A literal that no page looks at unless it was built for that opens nothing."""
    files = {"web/src/a.ts": SWITCHED % condition, "web/package.json": MANIFEST}
    assert bool(_rules(MemoryTree(files))["no-secret-in-source"]) is is_open


STORE = b"const url = `redis://:${process.env.REDIS_PASSWORD || 'blue-harbour-cache'}@h:6379`;\n"
LOADER = (
    b"const fs = require('fs');\nexports.config = (options = {}) => fs"
    b".readFileSync(options.path || '.env', 'utf8').split('\\n').filter(Boolean)"
    b".forEach((line) => { const [name, value] = line.split('=');"
    b" process.env[name] ??= value; });\n"
)
"""What dotenv does, in four lines: a variable that is set is kept."""


@pytest.mark.parametrize(
    ("loaded", "file"),
    [
        (b"require('dotenv').config();\n", ".env"),
        (
            b"const dotenv = require('dotenv');\ndotenv.config({ path: 'local.env' });\n",
            "local.env",
        ),
    ],
)
def test_derive_loads_variables_before_it_requires_one(
    tmp_path: Path, loaded: bytes, file: str
) -> None:
    """A module that is imported ahead of the service's own dotenv call starts all the same.

    Of the kind: dotenv/config imported late, dotenv-flow, a path of its own. What loads variables
    in a way that is not known is left to a person, below.
    """
    index = b"const { url } = require('./store');\n" + loaded + b"console.log(url);\n"
    files = {
        "s/package.json": MANIFEST,
        "s/src/index.js": index,
        "s/src/store.js": STORE + b"module.exports = { url };\n",
    }
    fixed = _fixed(MemoryTree(files))
    example = fixed.read("s/.env.example") or b""
    assert example.startswith(b"REDIS_PASSWORD=<")
    for path in fixed.paths():
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(fixed.read(path) or b"")
    (tmp_path / "s/node_modules/dotenv").mkdir(parents=True)
    (tmp_path / "s/node_modules/dotenv/index.js").write_bytes(LOADER)
    (tmp_path / "s" / file).write_text("REDIS_PASSWORD=given\n")
    run = subprocess.run(
        ["node", "src/index.js"],
        cwd=tmp_path / "s",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.stdout == "redis://:given@h:6379\n", run.stderr


@pytest.mark.parametrize(
    "loaded",
    [
        b"require('dotenv').config({ path: join(__dirname, '.env') });\n",
        b"process.loadEnvFile();\n",
    ],
)
def test_derive_leaves_it_to_a_person_how_variables_are_loaded(loaded: bytes) -> None:
    """A path that is computed from another module's place is not the same in the helper."""
    files = {"s/package.json": MANIFEST, "s/src/index.js": loaded, "s/src/store.js": STORE}
    (change,) = GAP.fix(MemoryTree(files))
    (left,) = change.unresolved
    assert not change.edits
    assert "its variables come from" in left.detail


def test_derive_puts_the_helper_where_the_image_copies_it() -> None:
    """The root's manifest is the nearest, and its folder is not in the image."""
    recipe = b"FROM node\nWORKDIR /app\nCOPY shared /app/shared\nCOPY svc /app/svc\n"
    files = {"package.json": MANIFEST, "svc/Dockerfile": recipe, "shared/web/store.js": STORE}
    fixed = _fixed(MemoryTree(files))
    assert fixed.read("shared/config/requiredSecret.js")
    assert b"require('../config/requiredSecret')" in (fixed.read("shared/web/store.js") or b"")
    without = _fixed(MemoryTree({**files, "svc/Dockerfile": b"FROM node\nCOPY . .\n"}))
    assert without.read("config/requiredSecret.js")


def test_comparisons_of_a_minified_script_are_judged_in_proportion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What can be no text is not followed to its end: every function there calls three others."""
    names = [f"f{number}" for number in range(40)]
    text = "".join(
        f"function {name}(a){{var b={names[(at * 7 + 3) % 40]}(a),c={names[(at * 11 + 5) % 40]}(b);"
        f"if(b===c||c===a.password)return {names[(at * 3 + 1) % 40]}(c);"
        f"return b?{names[(at * 13) % 40]}(c):b}}"
        for at, name in enumerate(names)
    )
    made = []

    def counted(**given: object) -> Leaf:
        made.append(1)
        return Leaf(**given)

    monkeypatch.setattr(typescript_values, "Leaf", counted)
    tree = MemoryTree({"web/package.json": MANIFEST, "web/public/vendor.js": text.encode()})
    assert rules.checks(GAP, tree)[0].findings == ()
    assert 0 < len(made) < 20 * len(names)


@pytest.mark.parametrize("env", [b"args: []", b"env:\n{{- toYaml .Values.env }}"])
def test_derive_requires_nothing_that_a_chart_does_not_hand_on(env: bytes) -> None:
    """A service that a chart starts goes on starting: told where it can be, else refused."""
    chart = {
        "helm/desk/Chart.yaml": b"name: desk\n",
        "helm/desk/templates/pods.yaml": b"kind: Deployment\n          %s\n" % env,
        "helm/desk/values.yaml": (
            b"env:\n  - name: LOGIN_KEY\n    valueFrom:\n      secretKeyRef:\n"
            b"        name: desk-keys\n        key: login-key\n"
            if b"Values" in env
            else b"port: 80\n"
        ),
    }
    tree = MemoryTree({**DESK, **chart})
    fixed = _fixed(tree)
    source = fixed.read("desk/src/keys.ts") or b""
    values = fixed.read("helm/desk/values.yaml") or b""
    told = b"name: SIGNING_SECRET" in values and b"key: signing-secret" in values
    assert told is (b"requiredSecret(" in source) is (b"Values" in env)
    left = [item for change in GAP.fix(tree) for item in change.unresolved]
    assert any("helm/desk" in item.detail for item in left) is not told
