"""Secrets that are written out are found wherever they stand, and what resembles them is not."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from closeout.fs.tree import DiskTree, MemoryTree
from closeout.gaps.external_secrets.inventory import inventory
from closeout.gaps.external_secrets.inventory.literals import Literal, LiteralForm, literals
from closeout.resources import BUNDLE

SERVICE = "cloud-layer/cloud-billing-service"
PEM_BODY = b"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgcloseoutcloseout"
PEM = b"-----BEGIN PRIVATE KEY-----\n" + PEM_BODY + b"\n-----END PRIVATE KEY-----\n"
TOKEN = b"ghp_" + b"aB3dE6gH9j" * 3 + b"kLmN0p"
VALUE = b"3f9c2b7a51d84e06"

PLANTED = {
    "compose": (
        "cloud-layer/docker-compose.yml",
        b"services:\n  a:\n    environment:\n      JWT_SECRET: %s\n",
    ),
    "compose list": (
        "cloud-layer/docker-compose.yml",
        b"services:\n  a:\n    environment:\n      - JWT_SECRET=%s\n",
    ),
    "compose default": (
        "cloud-layer/docker-compose.yml",
        b"services:\n  a:\n    environment:\n      JWT_SECRET: ${JWT_SECRET:-%s}\n",
    ),
    "compose override": (
        "edge-layer/docker-compose.override.yml",
        b"services:\n  a:\n    environment:\n      MQTT_PASSWORD: %s\n",
    ),
    "compose at the top": (
        "docker-compose.yml",
        b"services:\n  a:\n    environment:\n      API_KEY: %s\n",
    ),
    "env example": (f"{SERVICE}/.env.example", b"PORT=1\nJWT_SECRET=%s\n"),
    "layer's env example": ("cloud-layer/.env.example", b"JWT_SECRET=%s\n"),
    "committed env file": (f"{SERVICE}/.env.production", b"JWT_SECRET=%s\n"),
    "address": (f"{SERVICE}/env.example", b"DATABASE_URL=postgresql://a:%s@db/b\n"),
    "Helm values": (f"{SERVICE}/helm/values.yaml", b"env:\n  JWT_SECRET: %s\n"),
    "Helm values elsewhere": ("infra/charts/x/values-prod.yaml", b"env:\n  JWT_SECRET: %s\n"),
    "workflow": (".github/workflows/ci.yml", b"env:\n  DEPLOY_TOKEN: %s\n"),
    "Python fallback": (f"{SERVICE}/app.py", b"import os\nA = os.getenv('JWT_SECRET', '%s')\n"),
    "Python settings": (
        f"{SERVICE}/settings.py",
        b"class Settings(BaseSettings):\n    jwt_secret: str = '%s'\n",
    ),
    "Python constant": (f"{SERVICE}/app.py", b"JWT_SECRET = '%s'\n"),
    "TypeScript fallback": (f"{SERVICE}/src/a.ts", b"const a = process.env.JWT_SECRET || '%s'\n"),
    "TypeScript constant": (f"{SERVICE}/src/a.ts", b"export const jwtSecret: string = '%s'\n"),
    "script outside a service": ("tools/seed.js", b"const apiKey = '%s'\n"),
    "settings file": (f"{SERVICE}/config/default.json", b'{"jwtSecret": "%s"}\n'),
    "Secret's stringData": (
        "k8s/a.yaml",
        b"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData:\n  whatever: %s\n",
    ),
    "Secret's data": (
        "k8s/a.yaml",
        b"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata:\n  jwt-secret: %s\n",
    ),
    "Secret in a list": (
        "k8s/a.yaml",
        (
            b"apiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: Secret\n"
            b"    metadata: {name: a}\n    stringData: {key: %s}\n"
        ),
    ),
    "ConfigMap": (
        "k8s/a.yaml",
        b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  jwt-secret: %s\n",
    ),
    "container's environment": (
        "k8s/a.yaml",
        b"kind: Pod\nspec:\n  containers:\n  - env:\n    - name: JWT_SECRET\n      value: %s\n",
    ),
    "image": (f"{SERVICE}/Dockerfile", b"FROM scratch\nENV PORT=1 \\\n    JWT_SECRET=%s\n"),
    "image, old manner": (f"{SERVICE}/Dockerfile.prod", b"FROM scratch\nENV JWT_SECRET %s\n"),
    "image's argument": ("infra/Dockerfile", b"FROM scratch\nARG NPM_TOKEN=%s\n"),
    "shell script": ("tools/seed.sh", b"set -eu\nexport PGPASSWORD=%s\n"),
    "shell script's default": ("tools/seed.sh", b'DB_PASSWORD="${DB_PASSWORD:-%s}"\n'),
    "shell script's argument": ("tools/seed.sh", b'DB_PASS="${5:-%s}"\n'),
    "PowerShell script": ("tools/Config.ps1", b'$Script:PostgresPassword = "%s"\n'),
    "PowerShell's acronym": ("tools/Config.ps1", b'$Script:AMQPPassword = "%s"\n'),
    "script's address": ("tools/seed.sh", b"psql postgresql://a:%s@db/b\n"),
    "connection's settings": (
        "cloud-layer/store/feature.yaml",
        b"online:\n  type: postgres\n  host: db\n  password: %s\n",
    ),
    "page's state": (
        "web/src/Login.tsx",
        b"const [password, setPassword] = useState<string>('%s');\n",
    ),
    "form's defaults": (
        "web/src/Login.tsx",
        b"useForm({\n  defaultValues: {\n    email: 'a@b.test',\n    password: '%s',\n  },\n});\n",
    ),
    "pipeline profile": (
        f"{SERVICE}/profiles.yml",
        b"a:\n  pass: \"{{ env_var('DB_PASSWORD', '%s') }}\"\n",
    ),
    "server's command": (
        "docker-compose.yml",
        b"services:\n  a:\n    image: redis\n    command: redis-server --requirepass %s\n",
    ),
    "server's options": (
        "docker-compose.yml",
        b"services:\n  a:\n    image: redis\n    command: [redis-server, --requirepass, %s]\n",
    ),
    "address by another name": (
        "docker-compose.yml",
        b"services:\n  a:\n    environment:\n      RESULT_BACKEND: redis://:%s@b:6379/1\n",
    ),
    "two words in one": (
        "docker-compose.yml",
        b"services:\n  a:\n    environment:\n      ADMINPASSWORD: ${ADMINPASSWORD:-%s}\n",
    ),
}

INNOCENT = {
    "placeholder": ("cloud-layer/.env.example", b"JWT_SECRET=change-me\nA_TOKEN=<token>\nB_KEY=\n"),
    "reference": (
        "cloud-layer/docker-compose.yml",
        (
            b"services:\n  a:\n    environment:\n      - JWT_SECRET=${JWT_SECRET:?}\n"
            b"      - DATABASE_URL=postgresql://a:${P:?}@db/b\n      - B_TOKEN=${B_TOKEN:-}\n"
        ),
    ),
    "address without a password": (f"{SERVICE}/.env.example", b"DATABASE_URL=postgresql://db/b\n"),
    "lockfile": (f"{SERVICE}/package-lock.json", b'{"token": "%s", "integrity": "sha512-%s"}'),
    "hashes": ("requirements/a.txt", b"a==1 --hash=sha256:%s\n"),
    "fixture": (f"{SERVICE}/tests/auth.test.ts", b"const jwtSecret = '%s'\n"),
    "fixture key": (f"{SERVICE}/tests/fixtures/key.pem", PEM),
    "Secret by reference": (
        "k8s/a.yaml",
        (
            b"kind: Pod\nspec:\n  containers:\n    - env:\n        - name: JWT_SECRET\n"
            b"          valueFrom: {secretKeyRef: {name: a, key: JWT_SECRET}}\n"
        ),
    ),
    "ExternalSecret": (
        "k8s/a.yaml",
        (
            b"kind: ExternalSecret\nspec:\n  data:\n    - secretKey: JWT_SECRET\n"
            b"      remoteRef: {key: farmiq-prod-jwt-secret}\n"
        ),
    ),
    "certificate of a Secret": (
        "k8s/a.yaml",
        b"kind: Secret\ndata:\n  tls.crt: %s\nstringData:\n  password: <from the store>\n",
    ),
    "ConfigMap without secrets": ("k8s/a.yaml", b"kind: ConfigMap\ndata:\n  key-prefix: farmiq7\n"),
    "header's name": (f"{SERVICE}/src/a.ts", b"const API_KEY = 'x-service-api-key'\n"),
    "cache key": (f"{SERVICE}/src/a.ts", b"const cacheKey = 'billing:v1:summary:2024'\n"),
    "path": (f"{SERVICE}/src/a.ts", b"const tokenUrl = 'https://identity.farmiq.example/token2'\n"),
    "key's header alone": (
        f"{SERVICE}/src/a.ts",
        b"if (text.includes('-----BEGIN PRIVATE KEY-----'))\n",
    ),
    "documented example": ("docs/a.md", b"AKIAIOSFODNN7EXAMPLE and JWT_SECRET=3f9c2b7a51d84e06\n"),
    "image without secrets": (f"{SERVICE}/Dockerfile", b"ENV TOKEN_TTL=900\nARG NPM_TOKEN\n"),
    "image by reference": (f"{SERVICE}/Dockerfile", b"ARG A\nENV NPM_TOKEN=${A}\n"),
    "model's name": (f"{SERVICE}/.env.example", b"FORECAST_MODEL_KEY=SERIES_V1\n"),
    "name of a stream": (
        "docker-compose.yml",
        b"services:\n  a:\n    environment:\n      STREAM_KEY: ${STREAM_KEY:-order_events}\n",
    ),
    "switch and path": (f"{SERVICE}/.env.example", b"SHOW_PASSWORD=true\nTLS_KEY=/run/tls/a.key\n"),
    "longer placeholder": (
        f"{SERVICE}/.env.example",
        b"JWT_SECRET=replace-with-a-long-text\nMAIL_API_KEY=insert-mail-key-here\n",
    ),
    "word of a script's language": (
        "tools/run.ps1",
        b"$Pass = 0\n$secret = if ($given) { $given } else { Read-Host }\n",
    ),
    "script's reference": ("tools/run.sh", b'export PGPASSWORD="$DB_PASSWORD"\n# A_TOKEN=abcd1\n'),
    "docstring": (
        f"{SERVICE}/app.py",
        b'"""Shapes.\n\n    client = Client(password="%s")\n    amqp://a:%s@b/\n"""\n',
    ),
    "schema's example": (
        f"{SERVICE}/app.py",
        b'A = dict(json_schema_extra={"example": {"password": "%s"}})\n',
    ),
    "store of a workflow": (
        ".github/workflows/ci.yml",
        (
            b"jobs:\n  a:\n    services:\n      db: {image: postgres}\n"
            b"    env:\n      DATABASE_URL: postgresql://a:%s@localhost:5432/b\n"
        ),
    ),
    "mock": (f"{SERVICE}/src/a.ts", b"const MOCK_ACCESS_TOKEN = '%s'\n"),
    "form that starts empty": (
        "web/src/Login.tsx",
        (
            b"const [password, setPassword] = useState('');\n"
            b"const [kind, setPasswordKind] = useState('salt-and-rope-9');\n"
            b"useForm({ defaultValues: { password: '', hint: 'salt-and-rope-9' } });\n"
            b"const rules = { password: 'at least 12 characters' };\n"
        ),
    ),
    "form of a test": (
        "web/src/Login.test.tsx",
        b"const [password, setPassword] = useState('salt-and-rope-9');\n",
    ),
    "word of a form": ("web/locales/de.yaml", b"form:\n  password: Kennwort1\n"),
    "broken manifest": ("k8s/a.yaml", b"kind: Secret\ndata: [\n  password: x\n"),
}


def _found(files: dict[str, bytes]) -> tuple[Literal, ...]:
    tree = MemoryTree({f"{SERVICE}/package.json": b"{}"} | files)
    return literals(tree, inventory(tree))


@pytest.mark.parametrize("kind", PLANTED)
def test_literals_finds_it_when_a_secret_is_planted(kind: str) -> None:
    """A value is found in each sort of file, once, and is not kept."""
    path, content = PLANTED[kind]
    (found,) = _found({path: content % VALUE})
    assert str(found.path) == path
    assert VALUE in (content % VALUE).splitlines()[found.line - 1]
    assert VALUE.decode() not in repr(found)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("docs/notes.md", PEM),
        (f"{SERVICE}/src/a.ts", b"const key = `" + PEM + b"`\n"),
        (f"{SERVICE}/key.json", b'{"private_key": "' + PEM.replace(b"\n", b"\\n") + b'"}'),
        ("edge-layer/broker/server.key", PEM.replace(b"PRIVATE", b"EC PRIVATE")),
        ("README.md", b"curl -H 'Authorization: Bearer " + TOKEN + b"'\n"),
    ],
)
def test_literals_finds_a_key_or_token_when_it_stands_in_any_text(
    path: str, content: bytes
) -> None:
    """Private keys and tokens with an issuer's mark are told by themselves."""
    (found,) = _found({path: content})
    assert (str(found.path), found.form) == (path, LiteralForm.MATERIAL)


def test_literals_finds_a_bearer_where_a_pipeline_holds_one() -> None:
    """A signed token opens what it was signed for; an example of its format does not."""
    part = b"eyJ" + b"aB3dE6gH9j" * 2
    signed = b"%s.%s.%s" % (part, part, b"kLmN0pQrStUvWxYz")
    step = b"steps:\n  - script: curl -H 'Authorization: Bearer %s' https://a.test\n"
    (found,) = _found({"pipelines/qa.yml": step % signed})
    assert (found.name, found.line) == ("bearer token", 2)
    assert _found({"api.yaml": b"  example: %s\n" % signed, "docs/a.md": signed}) == ()
    below = b"Token:\n  type: object\n  example:\n    token: %s\n    expires: 9\n  note:\n"
    assert _found({"api.yaml": below % signed}) == ()
    comment = b"".join(b" * %s\n" % line for line in (below % signed).splitlines())
    assert _found({"src/routes.js": b"/**\n%s */\n" % comment}) == ()
    (found,) = _found({"api.yaml": below % signed + b"    token: %s\n" % signed})
    assert found.line == 7


@pytest.mark.parametrize("kind", INNOCENT)
def test_literals_finds_nothing_when_it_only_resembles_a_secret(kind: str) -> None:
    """Near misses: placeholders, references, hashes, fixtures, names and documentation."""
    path, content = INNOCENT[kind]
    assert _found({path: content.replace(b"%s", VALUE)}) == ()


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        (b"", True),
        (b"# .env\n*.md\n", True),
        (b".env\n", False),
        (b".env*\n", False),
        (b".env*\n!.env.local\n", True),
        (b"/cloud-layer/**/.env.local\n", False),
        (b"cloud-layer/\n", False),
        (b"/.env.local\n", True),
        (b"**/.env.?ocal\n", False),
    ],
)
def test_literals_leaves_out_what_git_ignores(rules: bytes, *, found: bool) -> None:
    """A developer's own file of secrets is no finding as long as git does not see it."""
    name = ".env.local" if b"local" in rules or b"*" in rules else ".env"
    files = {".gitignore": rules, f"{SERVICE}/{name}": b"JWT_SECRET=" + VALUE + b"\n"}
    assert bool(_found(files)) is found


def test_our_committed_files_hold_no_secret() -> None:
    """What this project renders, prepares and ships has no usable secret in it."""
    tree = DiskTree(BUNDLE)
    ours = ("k8s", "patches", "edge-mqtt-broker", "templates", "scripts", "suites", "docs", ".ci")
    found = literals(tree, ())
    assert [item for item in found if item.path.parts[0] in ours] == []
    assert {item.path.parts[0] for item in found} <= {"reference", "src"}
    assert PurePosixPath("reference/farmiq/cloud-layer/docker-compose.yml") in {
        item.path for item in found
    }


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'user.password = pwd_context.hash("rope-and-7-knots")', True),
        (b"digest = bcrypt.hashpw(b'rope-and-7-knots', bcrypt.gensalt())", True),
        (b'row = User(password=generate_password_hash("rope-and-7-knots"))', True),
        (b'row = User(password=make_password("rope-and-7-knots"))', True),
        (b"row = User(password=make_password(given))", False),
        (b'row = User(password=make_password("<password>"))', False),
        (b'digest = hashlib.new("sha256")', False),
        (b'kept = cache.hash("rope-and-7-knots")', False),
    ],
)
def test_password_that_python_hashes_from_a_literal_is_found(line: bytes, *, found: bool) -> None:
    """A seed's accounts open to whoever has read the tree."""
    tree = MemoryTree({f"{SERVICE}/seed.py": b"import x\n" + line + b"\n"})
    told = [(item.name, item.line) for item in literals(tree, inventory(tree))]
    assert told == [("a hashed password", 2)] * found
