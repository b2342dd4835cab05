"""Gap 1, Express: every way to let all origins in is found, mended byte by byte, and stays so."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from closeout.engine import rules
from closeout.fs.tree import DiskTree, MemoryTree, Overlay
from closeout.gaps.cors import GAP
from closeout.gaps.cors.fix import fix
from closeout.gaps.cors.page_headers import ON_EVERY_LIST
from closeout.gaps.cors.wiring import USUAL_STAGES
from closeout.model import Check, Reason, Tree
from closeout.parsing.typescript import syntax_error
from closeout.parsing.typescript_imports import insertion
from closeout.resources import BUNDLE, render

FOLDER = "cloud-layer/cloud-herd-service"
RULE = "express-no-wildcard"
MAIN = f"{FOLDER}/src/index.ts"
HEAD = "import cors from 'cors';\nimport express from 'express';\n\nconst app = express();\n"
REFERENCE = BUNDLE / "reference" / "farmiq"
IDENTITY = "cloud-layer/cloud-identity-access"
DASHBOARDS = ("http://localhost:5135", "http://localhost:5143")


def service(body: str, head: str = HEAD, main: str = MAIN, **others: str) -> MemoryTree:
    """Return a tree of one Express service whose main module is `head` and `body`."""
    files = {main: f"{head}{body}\n", f"{FOLDER}/package.json": '{"name": "herd"}\n'}
    files |= {f"{FOLDER}/{path}": text for path, text in others.items()}
    return MemoryTree({path: text.encode() for path, text in files.items()})


def check(tree: Tree) -> Check:
    """Return the Express check."""
    return next(item for item in rules.checks(GAP, tree) if item.rule == RULE)


def fixed(tree: Tree) -> Overlay:
    """Return the tree with the gap's changes."""
    return Overlay(tree, (edit for change in fix(tree) for edit in change.edits))


def text(tree: Tree, path: str = MAIN) -> str:
    """Return a file's text."""
    return (tree.read(path) or b"").decode()


OPEN = [
    "app.use(cors());",
    "app.use(cors(undefined));",
    "app.use(cors({}));",
    "app.use(cors({ credentials: true }));",
    "app.use(cors({ origin: '*' }));",
    "app.use(cors({ origin: true, credentials: true }));",
    "app.use(cors({ origin: ['*'] }));",
    "app.use(cors({ 'origin': ['https://a.example', '*'] }));",
    "app.use(cors({ origin: /.*/ }));",
    "app.use(cors({ origin: [/^https?:\\/\\//] }));",
    "app.use(cors({ origin: new RegExp('.*') }));",
    "app.use(cors({ origin: /^(?<scheme>https?):/ }));",
    "app.use(cors({ origin: process.env.ORIGIN || '*' }));",
    "app.use(cors({ origin: (process.env.ORIGIN ?? '*').split(',') }));",
    "app.use(cors({ origin: process.env.DEV ? true : ['https://a.example'] }));",
    "app.use(cors({ origin: (origin, callback) => callback(null, true) }));",
    "app.use(cors({ origin: (origin, callback) => { callback(null, origin); } }));",
    "app.use(cors({ origin(origin, done) { done(null, true); } }));",
    "app.use(cors({ origin: function (o, cb) { if (!o) cb(null, true); cb(null, true); } }));",
    "const ORIGINS = ['*'];\napp.use(cors({ origin: ORIGINS }));",
    "const origin = '*';\napp.use(cors({ origin }));",
    "const options = { origin: '*', credentials: true };\napp.use(cors(options));",
    "const base = { origin: '*' };\napp.use(cors({ ...base, credentials: true }));",
    "const allow = (o: string, cb: Function) => cb(null, true);\napp.use(cors({ origin: allow }));",
    "app.use(cors((req, callback) => callback(null, { origin: true })));",
    "const { ORIGIN = '*' } = process.env;\napp.use(cors({ origin: ORIGIN }));",
    "app.options('*', cors({ origin: '*' } as cors.CorsOptions));",
]


@pytest.mark.parametrize("body", OPEN)
def test_fix_closes_every_shape(body: str) -> None:
    """Found once, mended in valid syntax, nothing left to find and nothing left to do."""
    tree = service(body)
    after = fixed(tree)

    assert len(check(tree).findings) == 1
    assert not check(tree).findings[0].named
    assert not check(after).findings
    assert check(after).examined
    assert syntax_error(after.read(MAIN) or b"") is None
    own = "process.env.ORIGIN" if "process.env.ORIGIN" in body else ""
    assert f"trustedOrigins({own})" in text(after)
    assert fix(after) == ()


@pytest.mark.parametrize(
    "body",
    [
        "app.use(cors({ origin: 'https://a.example' }));",
        "app.use(cors({ origin: ['https://a.example', 'https://b.example'] }));",
        "app.use(cors({ origin: false }));",
        "app.use(cors({ origin: process.env.ALLOWED_ORIGINS?.split(',') ?? [] }));",
        "app.use(cors({ origin: (process.env.O || '').split(',').filter((o) => o !== '*') }));",
        "app.use(cors({ origin: /^https:\\/\\/[a-z]+\\.farm\\.example$/ }));",
        "app.use(cors({ origin: new RegExp('^https://[a-z]+[.]farm[.]example$') }));",
        (
            "const list = ['https://a.example'];\n"
            "app.use(cors({ origin: (o, cb) => cb(null, list.includes(o)) }));"
        ),
        (
            "const list = ['https://a.example'];\napp.use(cors({ origin: (o, cb) => {\n"
            "  if (!o || list.includes(o)) return cb(null, true);\n  cb(new Error('no')); } }));"
        ),
        (
            "const list = ['https://a.example'];\napp.use(cors({ origin: (o, cb) => {\n"
            "  if (!list.includes(o)) throw new Error('no');\n  cb(null, true); } }));"
        ),
        "// app.use(cors());",
        "console.log(\"app.use(cors({ origin: '*' }))\");",
        "app.use(cors({ origin: 'https://a.example', allowedHeaders: '*' }));",
        "app.use((q, res, next) => { res.header('Access-Control-Allow-Methods', '*'); });",
        (
            "app.use((req, res, next) => {\n"
            "  const origin = req.headers.origin;\n"
            "  if (allowed.includes(origin)) res.header('Access-Control-Allow-Origin', origin);\n"
            "  next();\n});"
        ),
        (
            "app.use((req, res, next) => {\n"
            "  if (!allowed.includes(req.headers.origin)) return next();\n"
            "  res.setHeader('Access-Control-Allow-Origin', req.headers.origin);\n  next();\n});"
        ),
    ],
)
def test_near_miss_does_not_fire(body: str) -> None:
    """Lists, checks, narrow patterns, comments and strings are no open policy."""
    tree = service(body)

    assert not check(tree).findings
    assert not [edit for change in fix(tree) for edit in change.edits if edit.path.suffix == ".ts"]


def test_local_function_named_cors_is_not_the_package() -> None:
    """Only what comes from the package `cors` is judged."""
    head = "import express from 'express';\nimport { cors } from './own';\n"

    assert not check(service("app.use(cors());", head)).findings


@pytest.mark.parametrize("path", ["tests/app.ts", "src/app.test.ts", "src/types.d.ts", "dist/a.js"])
def test_tests_and_builds_are_left_out(path: str) -> None:
    """What never serves a user is not judged."""
    tree = service("app.listen(1);", "import express from 'express';\n", **{path: f"{HEAD}cors();"})

    assert not check(tree).findings


def test_tree_without_node_services_has_no_such_check() -> None:
    """A rule that looked at nothing must not weaken the criterion."""
    tree = MemoryTree({"readme.md": b"cors()"})

    assert RULE not in {item.rule for item in rules.checks(GAP, tree)}


def test_origin_is_followed_into_another_file() -> None:
    """A default that a configuration module hides is found, and the call is mended."""
    head = HEAD.replace("\nconst app", "import { config } from './config';\n\nconst app")
    config = "export const config = { port: 1, origin: process.env.ORIGIN || '*' };\n"
    tree = service(
        "app.use(cors({ origin: config.origin }));\napp.listen(config.port);",
        head,
        **{"src/config/index.ts": config},
    )
    after = fixed(tree)

    assert [item.line for item in check(tree).findings] == [6]
    assert not check(after).findings
    assert "from './config/corsOrigins';" in text(after)
    assert fix(after) == ()


def test_options_object_of_another_file_is_mended_there() -> None:
    """The object literal that decides is edited where it stands."""
    head = HEAD.replace("\nconst app", "import { options } from './options';\n\nconst app")
    options = "export const options = {\n  origin: '*',\n  credentials: true,\n};\n"
    tree = service("app.use(cors(options));", head, **{"src/options.ts": options})
    after = fixed(tree)

    assert [str(item.path) for item in check(tree).findings] == [f"{FOLDER}/src/options.ts"]
    assert text(after) == text(tree)
    assert text(after, f"{FOLDER}/src/options.ts").endswith(
        "export const options = {\n  origin: trustedOrigins(),\n  credentials: true,\n"
        "  methods: ['DELETE', 'GET', 'HEAD', 'PATCH', 'POST', 'PUT'],\n"
        "  allowedHeaders: REQUEST_HEADERS,\n};\n"
    )
    assert not check(after).findings


def test_derive_lists_the_routes_methods_and_the_headers_the_code_reads() -> None:
    """A page keeps what it needs and gets nothing else."""
    body = (
        "app.use(cors());\n"
        "app.patch('/herds', (req, res) => res.json(req.header('X-Farm-Id')));\n"
        "app.get('/herds', (req, res) => res.json(req.headers['x-forwarded-for']));"
    )

    after = text(fixed(service(body)))

    assert "  methods: ['GET', 'HEAD', 'PATCH'],\n" in after
    assert "  allowedHeaders: [...REQUEST_HEADERS, 'x-farm-id'],\n" in after


def test_derive_keeps_other_options_and_lists() -> None:
    """What a team has set stays, but for a wildcard in the lists."""
    body = (
        "app.use(\n  cors({\n    origin: true, // for now\n    credentials: true,\n"
        "    methods: ['GET'],\n    allowedHeaders: '*',\n  }),\n);"
    )

    assert text(fixed(service(body))).endswith(
        "app.use(\n  cors({\n    origin: trustedOrigins(), // for now\n    credentials: true,\n"
        "    methods: ['GET'],\n    allowedHeaders: REQUEST_HEADERS,\n  }),\n);\n"
    )


def test_derive_keeps_line_endings_quotes_and_missing_semicolons() -> None:
    """A file with CRLF, double quotes and no semicolons stays one."""
    head = 'import cors from "cors"\nimport express from "express"\n\nconst app = express()\n'
    content = f"{head}app.use(cors())\n".replace("\n", "\r\n").encode()
    tree = MemoryTree({MAIN: content, f"{FOLDER}/package.json": b"{}"})
    after = fixed(tree).read(MAIN) or b""

    assert after.count(b"\n") == after.count(b"\r\n")
    assert b'import { REQUEST_HEADERS, trustedOrigins } from "./corsOrigins"\r\n' in after
    assert b"trustedOrigins(),\r\n" in after
    assert b";" not in after
    assert b"'" not in after


def test_derive_drops_what_nobody_reads_any_more() -> None:
    """A compiler that refuses unused names still takes the file."""
    body = (
        "const base = 'https://a.example';\nconst ORIGINS = [base, '*'];\n"
        "app.use(cors({ origin: ORIGINS }));"
    )

    assert "ORIGINS = [" not in text(fixed(service(body)))
    assert "base" not in text(fixed(service(body)))


def test_derive_keeps_what_is_read_elsewhere() -> None:
    """A list with another reader stays."""
    body = "const ORIGINS = ['*'];\napp.use(cors({ origin: ORIGINS }));\nconsole.log(ORIGINS);"

    assert "const ORIGINS = ['*'];" in text(fixed(service(body)))


def test_derive_takes_other_names_where_the_file_has_them() -> None:
    """A name of the team's is never taken away."""
    after = fixed(
        service("const trustedOrigins = 1;\napp.use(cors());\nconsole.log(trustedOrigins);")
    )

    assert "trustedOrigins as trustedOriginsOfPolicy" in text(after)
    assert "origin: trustedOriginsOfPolicy()," in text(after)
    assert not check(after).findings


@pytest.mark.parametrize(
    ("main", "head", "line", "module"),
    [
        (
            "src/app.js",
            "'use strict';\nconst express = require('express');\nconst cors = require('cors');\n",
            "const { REQUEST_HEADERS, trustedOrigins } = require('./corsOrigins');\n",
            "src/corsOrigins.js",
        ),
        (
            "src/app.js",
            "import cors from 'cors';\n",
            "import { REQUEST_HEADERS, trustedOrigins } from './corsOrigins.js';\n",
            "src/corsOrigins.js",
        ),
        (
            "app.mjs",
            "import cors from 'cors';\n",
            "import { REQUEST_HEADERS, trustedOrigins } from './corsOrigins.mjs';\n",
            "corsOrigins.mjs",
        ),
        (
            "src/app.ts",
            "import cors = require('cors');\n",
            "import { REQUEST_HEADERS, trustedOrigins } from './corsOrigins';\n",
            "src/corsOrigins.ts",
        ),
    ],
)
def test_javascript_gets_its_own_module_style(main: str, head: str, line: str, module: str) -> None:
    """CommonJS requires, ES modules import with the ending that Node needs."""
    tree = service("app.use(cors());", head, f"{FOLDER}/{main}")
    after = fixed(tree)
    policy = text(after, f"{FOLDER}/{module}")

    assert line in text(after, f"{FOLDER}/{main}")
    assert ("module.exports" in policy) is ("require(" in line)
    assert (": string" in policy) is main.endswith(".ts")
    assert not check(after).findings
    assert fix(after) == ()


def test_inline_require_is_the_package() -> None:
    """`require('cors')()` in place is judged like an import."""
    tree = service("app.use(require('cors')());", "const express = require('express');\n")

    assert len(check(tree).findings) == 1
    assert "require('cors')({\n" in text(fixed(tree))


@pytest.mark.parametrize(
    "body",
    [
        "app.use((q, res, next) => { res.header('Access-Control-Allow-Origin', '*'); next(); });",
        "app.use((q, res, next) => { res.set({ 'Access-Control-Allow-Origin': '*' }); next(); });",
        (
            "app.use((req, res, next) => {\n"
            "  res.setHeader('access-control-allow-origin', req.headers.origin || '*');\n});"
        ),
        (
            "app.use((req, res, next) => {\n  const origin = req.get('Origin');\n"
            "  res.setHeader('Access-Control-Allow-Origin', origin);\n  next();\n});"
        ),
    ],
)
def test_header_by_hand_is_reported_and_not_touched(body: str) -> None:
    """Found with its line, left alone with a reason."""
    tree = service(body)
    (change,) = fix(tree)

    assert len(check(tree).findings) == 1
    assert change.edits == ()
    assert [item.reason for item in change.unresolved] == [Reason.AMBIGUOUS]


def test_origin_that_is_set_again_later_is_refused() -> None:
    """Filling the literal in would not close it, so nothing is written."""
    options = "const options: cors.CorsOptions = {};\noptions.origin = true;\n"
    tree = service(f"{options}app.use(cors(options));")
    (change,) = fix(tree)

    assert len(check(tree).findings) == 1
    assert change.edits == ()
    assert "set again" in change.unresolved[0].detail


def test_options_that_cannot_be_read_are_not_called_closed() -> None:
    """A policy from another package is unresolved, neither open nor closed."""
    head = HEAD.replace("\nconst app", "import { policy } from '@farm/policy';\n\nconst app")
    tree = service("app.use(cors(policy));", head)

    assert not check(tree).findings
    assert [item.reason for item in check(tree).unresolved] == [Reason.AMBIGUOUS]


def test_candidate_that_does_not_parse_is_unresolved() -> None:
    """A broken file is never edited and never an exception."""
    tree = service("app.use(cors(;")

    assert [(item.reason, item.line) for item in check(tree).unresolved] == [(Reason.UNPARSABLE, 5)]
    assert [change.edits for change in fix(tree)] == [()]


def test_import_that_would_be_left_unused_among_others_is_refused() -> None:
    """Dropping one name of several is left to a person."""
    head = HEAD.replace("\nconst app", "import { ORIGINS, port } from './c';\n\nconst app")
    tree = service(
        "app.use(cors({ origin: ORIGINS }));\napp.listen(port);",
        head,
        **{"src/c.ts": "export const port = 1;\nexport const ORIGINS = ['*'];\n"},
    )
    (change,) = fix(tree)

    assert change.edits == ()
    assert "ORIGINS" in change.unresolved[0].detail


def test_deep_and_circular_code_ends() -> None:
    """Hostile sources cost bounded time and raise nothing."""
    deep = "||".join(f"a{n}" for n in range(3000))
    body = f"const a = b;\nconst b = a;\napp.use(cors({{ origin: a || {deep} }}));\nrequire();"

    assert not check(service(f"{body}\nconst c = require();")).findings


def test_reference_identity_service_is_mended_with_its_wiring() -> None:
    """The unnamed service is found, and the variable reaches it from example and compose."""
    reference = DiskTree(REFERENCE)
    after = fixed(reference)
    compose = text(after, "cloud-layer/docker-compose.yml")
    block = compose[
        compose.index("cloud-identity-access:") : compose.index("cloud-tenant-registry:")
    ]

    assert [(str(item.path), item.line) for item in check(reference).findings] == [
        (f"{IDENTITY}/src/index.ts", 14),
        ("cloud-layer/cloud-ingestion/src/index.ts", 11),
    ]
    assert "\n      ALLOWED_ORIGINS:\n" in block
    assert "APP_ENV" not in block
    assert "PORT=5120\n# Browser" in text(after, f"{IDENTITY}/.env.example")
    assert PurePosixPath(f"{IDENTITY}/src/config/corsOrigins.ts") in after.paths()
    assert not check(after).findings


@pytest.mark.parametrize(
    ("origin", "made"),
    [
        ("process.env.SHOP_ORIGINS || '*'", "origin: trustedOrigins(process.env.SHOP_ORIGINS)"),
        ("process.env['WEB'] ?? true", "origin: trustedOrigins(process.env['WEB'])"),
        ("process.env.ALLOWED_ORIGINS || '*'", "origin: trustedOrigins()"),
        ("process.env.DEV ? true : ['https://a.example']", "origin: trustedOrigins()"),
    ],
)
def test_derive_keeps_the_variable_that_a_service_has(origin: str, made: str) -> None:
    """Who has set it in production keeps the origins: ours counts where both are set."""
    after = fixed(service(f"app.use(cors({{ origin: {origin} }}));"))
    assert made in text(after)
    assert not check(after).findings


def _origins(folder: Path, declared: str = "", **environment: str) -> list[str] | str:
    """Return what the rendered policy trusts under `environment`, or its refusal."""
    policy = folder / "corsOrigins.js"
    policy.write_bytes(
        render(
            "cors/corsOrigins.j2",
            {
                "typed": False,
                "commonjs": True,
                "local_origins": DASHBOARDS,
                "request_headers": ON_EVERY_LIST,
                "stages": USUAL_STAGES,
            },
        )
    )
    call = f"trustedOrigins({json.dumps(declared)})"
    script = f"console.log(JSON.stringify(require('./corsOrigins').{call}))"
    done = subprocess.run(
        ["node", "-e", script],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


@pytest.mark.needs("node")
def test_policy_reads_origins_as_a_browser_writes_them(tmp_path: Path) -> None:
    """Blanks, case, slashes, default ports and repetitions do not matter."""
    listed = (
        " HTTPS://Farm.Example:443/ , http://a.example:80,,http://[::1]:8080,https://farm.example"
    )

    assert _origins(tmp_path, ALLOWED_ORIGINS=listed) == [
        "https://farm.example",
        "http://a.example",
        "http://[::1]:8080",
    ]
    assert _origins(tmp_path) == list(DASHBOARDS)
    assert _origins(tmp_path, ALLOWED_ORIGINS="") == []
    own = ["https://own.example"]
    assert _origins(tmp_path, declared=own[0], NODE_ENV="production") == own
    assert _origins(tmp_path, declared="*") == list(DASHBOARDS)
    assert _origins(tmp_path, declared=own[0], ALLOWED_ORIGINS="") == []


@pytest.mark.needs("node")
@pytest.mark.parametrize(
    "entry",
    [
        "*",
        "null",
        "https://*.farm.example",
        "https://farm.example/path",
        "https://user@farm.example",
        "https://farm.example?x",
        "https:farm.example",
        "https:\\\\farm.example",
        "ftp://farm.example",
        "farm.example",
        "https://farm.example:99999",
    ],
)
def test_policy_refuses_what_is_no_origin(tmp_path: Path, entry: str) -> None:
    """Outside production the entry is left out; in production the service does not start."""
    listed = f"{entry},https://farm.example"

    assert _origins(tmp_path, ALLOWED_ORIGINS=listed) == ["https://farm.example"]
    refusal = _origins(tmp_path, ALLOWED_ORIGINS=listed, NODE_ENV="production")
    assert "is refused" in refusal


@pytest.mark.needs("node")
@pytest.mark.parametrize("variable", ["APP_ENV", "ENVIRONMENT", "NODE_ENV"])
def test_policy_does_not_start_unset_in_production(tmp_path: Path, variable: str) -> None:
    """No variable that names production lets the localhost default through."""
    assert "ALLOWED_ORIGINS is not set" in _origins(tmp_path, **{variable: " Production "})


@pytest.mark.parametrize("pattern", ["\\u{1F404}(", "a" * 301])
def test_pattern_that_cannot_be_tried_is_not_judged(pattern: str) -> None:
    """It may take every origin: nobody can say that it does not."""
    checked = check(service(f"app.use(cors({{ origin: /{pattern}/u }}));"))
    assert [item.reason for item in checked.unresolved] == [Reason.AMBIGUOUS]


def test_import_stands_ahead_of_its_use_when_other_imports_stand_below_it() -> None:
    """Compiled to CommonJS, an import runs where it stands: below its use the name is not there."""
    tree = service("app.use(cors());\nimport { routes } from './routes';\nroutes(app);")
    fixed = Overlay(tree, [edit for change in fix(tree) for edit in change.edits])
    text = (fixed.read(MAIN) or b"").decode()
    assert text.index("from './corsOrigins'") < text.index("app.use(")
    assert text.index("import express") < text.index("from './corsOrigins'")


def test_import_stands_at_the_top_when_no_import_stands_ahead_of_its_use() -> None:
    """The use comes first, whatever is imported below it."""
    splice = insertion(
        b"use(x());\nimport a from 'a';\n",
        PurePosixPath("src"),
        ["x"],
        PurePosixPath("src/y.ts"),
        before=0,
    )
    assert splice.start == 0


@pytest.mark.parametrize(
    ("beside", "methods"),
    [
        (b"import { createProxyMiddleware } from 'http-proxy-middleware';\n", "'PATCH'"),
        (b"export const on = (req) => fetch(url, { method: req.method });\n", "'DELETE'"),
        (b"export const on = () => fetch(url, { method: 'DELETE' });\n", ""),
        (b"export const on = (req) => logger.info('asked', { method: req.method });\n", ""),
    ],
    ids=["library", "by-hand", "asks-by-itself", "logs"],
)
def test_fix_allows_a_proxy_what_it_proxies(beside: bytes, methods: str) -> None:
    """A gateway's own routes are few; what it hands on comes by every method."""
    app = b"import cors from 'cors';\nimport express from 'express';\nconst app = express();\n"
    app += b"app.use(cors());\napp.get('/health', ok);\n"
    manifest = b'{"dependencies": {"express": "4", "cors": "2"}}'
    tree = MemoryTree(
        {"gate/src/app.ts": app, "gate/src/hand.ts": beside, "gate/package.json": manifest}
    )
    after = text(fixed(tree), "gate/src/app.ts")
    assert (methods in after) if methods else ("methods: ['GET', 'HEAD']" in after)


@pytest.mark.parametrize(
    ("made", "is_open"),
    [
        ("new Server(http, { cors: { origin: '*' } })", True),
        (
            "new Server(http, {\n  path: '/ws',\n  cors: { origin: true, credentials: true },\n})",
            True,
        ),
        ("new Server(http, OPTIONS)", True),
        ("new Server(http)", False),
        ("new Server(http, { cors: { origin: ['https://a.example'] } })", False),
        ("new Socket(http, { cors: { origin: '*' } })", False),
    ],
)
def test_socket_for_every_origin_is_closed(made: str, is_open: bool) -> None:
    """A socket.io server has options of its own: they get the service's origins."""
    head = "import { Server } from 'socket.io';\nconst OPTIONS = { cors: { origin: '*' } };\n"
    tree = service(f"const io = {made};", head=head)
    assert bool(check(tree).findings) == is_open
    if is_open:
        after = fixed(tree)
        assert not check(after).findings
        assert "origin: trustedOrigins()" in text(after)
        assert syntax_error(after.read(MAIN) or b"") is None


NEST = "import { NestFactory } from '@nestjs/core';\nconst app = await NestFactory.create(M%s);\n"
FASTIFY = (
    "import Fastify from 'fastify';\nimport cors from '@fastify/cors';\nconst app = Fastify();\n"
)


@pytest.mark.parametrize(
    ("text", "is_open"),
    [
        (f"{NEST % ''}app.enableCors();", True),
        (f"{NEST % ''}app.enableCors({{ origin: true, credentials: true }});", True),
        (NEST % ", { cors: true }", True),
        (NEST % ", { cors: { origin: '*' } }", True),
        (f"{FASTIFY}app.register(cors);", True),
        (f"{FASTIFY}await app.register(cors, {{ origin: true }});", True),
        ("const app = require('fastify')();\napp.register(require('@fastify/cors'), {});", True),
        ("import cors from '@koa/cors';\napp.use(cors());", True),
        (f"{NEST % ''}app.enableCors({{ origin: ['https://a.example'] }});", False),
        (NEST % ", { cors: false }", False),
        (f"{FASTIFY}app.register(cors, {{ origin: /^https:\\/\\/a\\.example$/ }});", False),
        (f"{FASTIFY}app.register(helmet, {{ origin: true }});", False),
    ],
)
def test_open_policy_of_another_framework_is_found_and_left_to_a_person(
    text: str, *, is_open: bool
) -> None:
    """Their options are not those of cors(…); an unseen one would be a false CLOSED.

    Of the kind: Koa and options given where the server is made. Hapi says it route by route.
    """
    tree = service(text, head="")
    changes = fix(tree)
    assert bool(check(tree).findings) is is_open
    told = [item.detail for change in changes for item in change.unresolved]
    assert bool(told) is is_open
    assert all("list origins there" in detail for detail in told)
    assert not any(change.edits for change in changes)
