"""Gap 10: secrets leave pipelines, scripts, images and files of connections, and arrive again."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from closeout.engine import rules
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps.external_secrets import GAP
from closeout.gaps.external_secrets.inventory import inventory
from closeout.gaps.external_secrets.inventory.literals import literals
from closeout.model import Tree, Unresolved

PART = b"eyJ" + b"aB3dE6gH9j" * 2
TOKEN = b"%s.%s.%s" % (PART, PART, b"kLmN0pQrStUvWxYz")
OTHER = TOKEN.replace(b"kLmN", b"mNoP")
VALUE = b"salt-and-rope-9"
HARBOUR = b"""services:
  store:
    image: postgres:16
    environment:
      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:-salt-and-rope-9}
  queue:
    image: rabbitmq:3
    environment:
      - RABBITMQ_DEFAULT_PASS=${RABBITMQ_PASS:-salt-and-rope-9}
    volumes:
      - ./queue/init.sh:/opt/init.sh:ro
  safe:
    image: hashicorp/vault:1.13.3
    environment:
      VAULT_DEV_ROOT_TOKEN_ID: tide-root-4
"""


def _fixed(files: dict[str, bytes]) -> tuple[Overlay, list[Unresolved]]:
    """Return the mended tree; a second run finds nothing to add and no secret in it."""
    overlay = Overlay(MemoryTree(files))
    made = GAP.fix(overlay)
    for edit in (edit for each in made for edit in each.edits):
        overlay.lay(edit)
    again = [item for item in GAP.fix(overlay) if item.edits]
    assert again == []
    return overlay, [item for each in made for item in each.unresolved]


def _read(tree: Tree, path: str) -> bytes:
    return tree.read(path) or b""


def _open(tree: Tree) -> list[str]:
    return [f"{item.path}:{item.line}" for item in literals(tree, inventory(tree))]


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        (
            "pier/azure-pipelines-qa.yml",
            b"trigger: [qa]\nvariables:\n  pool: 'p'\n  pierToken: '%s'\n",
            "  pierToken: '$(PIER_TOKEN)'",
        ),
        (
            "pier/build.yml",
            (
                b"pool: {vmImage: ubuntu-latest}\nvariables:\n"
                b"  - name: PIER_TOKEN\n    value: %s # why\n"
            ),
            "    value: $(PIER_TOKEN_SECRET) # why",
        ),
        (
            "azure-pipelines.yml",
            b"steps:\n  - script: |\n      curl -H 'Authorization: Bearer %s' https://a.test\n",
            "      curl -H 'Authorization: Bearer $(BEARER_TOKEN)' https://a.test",
        ),
        (
            ".github/workflows/ci.yml",
            b'on: push\nenv:\n  PIER_TOKEN: "Bearer %s"\n',
            '  PIER_TOKEN: "Bearer ${{ secrets.PIER_TOKEN }}"',
        ),
        (
            ".gitlab-ci.yml",
            b"variables:\n  pier-token: %s\n",
            "  pier-token: $PIER_TOKEN",
        ),
    ],
)
def test_derive_takes_a_pipelines_token_from_where_its_ci_keeps_secrets(
    path: str, before: bytes, after: str
) -> None:
    """The reference stands in the token's place, and above it what a person has to define."""
    fixed, left = _fixed({path: before % TOKEN})
    lines = _read(fixed, path).decode().splitlines()
    assert left == []
    assert after in lines
    assert yaml.safe_load("\n".join(lines))
    told = [line.strip() for line in lines if line.lstrip().startswith("#")]
    name = re.findall(r"\b[A-Z]+_TOKEN(?:_SECRET)?\b", after)[-1]
    assert told[0].startswith(f"# Define {name} as a ")
    assert told[1] == "# The token that stood here is known: its issuer has to revoke it."
    assert len(lines) == before.count(b"\n") + 2
    assert _open(fixed) == []


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("settings/app.yml", b"api:\n  pierToken: %s\n" % TOKEN),
        (".gitlab-ci.yml", b"a:\n  script:\n    - curl -H 'X-Pier: %s' https://a.test\n" % TOKEN),
        ("azure-pipelines.yml", b"variables: &v\n  pierToken: [%s\n" % TOKEN),
    ],
)
def test_derive_leaves_a_token_where_no_reference_would_be_read(path: str, content: bytes) -> None:
    """Plain settings, a shell's quotes and a file that is no YAML keep theirs, and it is told."""
    fixed, left = _fixed({path: content})
    assert _read(fixed, path) == content
    assert [str(item.path) for item in left] == [path]


def test_derive_keeps_two_tokens_of_a_pipeline_apart() -> None:
    """One name stands for one token: the second is left, and told."""
    content = b"variables:\n  - name: a-token\n    value: %s\n  - name: aToken\n    value: %s\n"
    path = "azure-pipelines.yml"
    fixed, left = _fixed({path: content % (TOKEN, OTHER)})
    after = _read(fixed, path)
    assert TOKEN not in after
    assert OTHER in after
    assert [item.line for item in left] == [5]


@pytest.mark.parametrize(
    ("line", "after"),
    [
        (
            b'POSTGRES_PASSWORD="${POSTGRES_PASSWORD:-salt-and-rope-9}"',
            b'POSTGRES_PASSWORD="${POSTGRES_PASSWORD:?is not set: take it from ../.env}"',
        ),
        (
            b'POSTGRES_PASSWORD="${3:-salt-and-rope-9}"',
            (b'POSTGRES_PASSWORD="${3:-${POSTGRES_PASSWORD:?is not set: take it from ../.env}}"'),
        ),
        (
            b"export VAULT_TOKEN='tide-root-4'",
            b'export VAULT_TOKEN="${VAULT_DEV_ROOT_TOKEN_ID:?is not set: take it from ../.env}"',
        ),
        (
            b"CRANE_API_KEY=wXy7-lift-3 ./lift",
            b'CRANE_API_KEY="${CRANE_API_KEY:?is not set}" ./lift',
        ),
        (
            b"QUEUE_PASSWORD=${5:-salt-and-rope-9}; unused=1",
            b'QUEUE_PASSWORD="${5:-${QUEUE_PASSWORD:-}}"; unused=1',
        ),
    ],
)
def test_derive_has_a_shell_script_say_which_secret_is_missing(
    line: bytes, after: bytes, tmp_path: Path
) -> None:
    """The variable is the compose file's, what the script never uses is not required."""
    use = b'echo "$POSTGRES_PASSWORD" "$VAULT_TOKEN"\n'
    script = b"#!/bin/bash\nset -eu\n%s\n%s"
    files = {"docker-compose.yml": HARBOUR, "tools/seed.sh": script % (line, use)}
    fixed, left = _fixed(files)
    assert _read(fixed, "tools/seed.sh") == script % (after, use)
    assert left == []
    assert _open(fixed) == []
    place = tmp_path / "seed.sh"
    place.write_bytes(_read(fixed, "tools/seed.sh"))
    checked = subprocess.run(["bash", "-n", place], check=False, capture_output=True, timeout=20)
    assert checked.returncode == 0, checked.stderr


def test_derive_requires_of_a_container_only_what_compose_gives_it() -> None:
    """A script that a container runs is not stopped for a variable that stays outside."""
    given = b'#!/bin/sh\nPASS="${RABBITMQ_DEFAULT_PASS:-salt-and-rope-9}"\nrun "$PASS"\n'
    kept = given.replace(b"RABBITMQ_DEFAULT_PASS", b"QUEUE_PASS")
    fixed, left = _fixed({"docker-compose.yml": HARBOUR, "queue/init.sh": given})
    assert b'PASS="${RABBITMQ_DEFAULT_PASS:?is not set}"' in _read(fixed, "queue/init.sh")
    assert left == []
    fixed, left = _fixed({"docker-compose.yml": HARBOUR, "queue/init.sh": kept})
    assert _read(fixed, "queue/init.sh") == kept
    assert [(str(item.path), item.line) for item in left] == [("queue/init.sh", 2)]


@pytest.mark.parametrize(
    "line",
    [
        b"docker run -d -e POSTGRES_PASSWORD=salt-and-rope-9 postgres",
        b"bash -c 'PGPASSWORD=salt-and-rope-9 psql'",
        b"cat > a <<'EOF'\nPGPASSWORD=salt-and-rope-9\nEOF",
        b'PASSWORD="mast-and-boom-2"',
    ],
)
def test_derive_leaves_a_script_where_another_reads_the_value_or_its_name_says_nothing(
    line: bytes,
) -> None:
    """What a container, another shell or a file is given, and a bare PASSWORD, is left and told."""
    content = b"#!/bin/sh\n%s\n" % line
    fixed, left = _fixed({"docker-compose.yml": HARBOUR, "tools/run.sh": content})
    assert _read(fixed, "tools/run.sh") == content
    assert [str(item.path) for item in left] == ["tools/run.sh"]


def test_derive_asks_for_a_shared_powershell_value_where_it_is_used() -> None:
    """Scripts that load the settings and use none of the secrets run as before."""
    files = {
        "docker-compose.yml": HARBOUR,
        "tools/Shared/Config.ps1": (
            b'$Script:Host = "db"\r\n$Script:RabbitMQPass = "salt-and-rope-9"\r\n'
            b'$Script:VaultToken = "tide-root-4"\r\n'
        ),
        "tools/vault.ps1": b'. "Config.ps1"\n  $h = @{ "X-Token" = $Script:VaultToken }\n',
        "tools/queue.ps1": b"if (-not $p) { $p = $Script:RabbitMQPass }\nls\n",
        "tools/other.ps1": b'. "Config.ps1"\nls\n',
    }
    fixed, left = _fixed(files)
    assert left == []
    assert _read(fixed, "tools/Shared/Config.ps1") == (
        b'$Script:Host = "db"\r\n$Script:RabbitMQPass = $env:RABBITMQ_PASS\r\n'
        b"$Script:VaultToken = $env:VAULT_DEV_ROOT_TOKEN_ID\r\n"
    )
    assert _read(fixed, "tools/vault.ps1") == (
        b'. "Config.ps1"\n  if (-not $Script:VaultToken) '
        b'{ throw "VAULT_DEV_ROOT_TOKEN_ID is not set: take it from ../.env" }\n'
        b'  $h = @{ "X-Token" = $Script:VaultToken }\n'
    )
    for name in ("tools/queue.ps1", "tools/other.ps1"):
        assert _read(fixed, name) == files[name]


def test_derive_names_a_users_password_after_the_user() -> None:
    """A bare `password` beside one user becomes that user's; without one it is left."""
    body = b'$body = @{\n    email = "harbour.master@pier.test"\n    password = "tide-7-table"\n}\n'
    fixed, left = _fixed({"tools/check.ps1": body})
    text = b"$(if ($env:HARBOUR_MASTER_PASSWORD) { $env:HARBOUR_MASTER_PASSWORD } else { throw "
    assert text in _read(fixed, "tools/check.ps1")
    assert left == []
    alone = body.replace(b'    email = "harbour.master@pier.test"\n', b"")
    fixed, left = _fixed({"tools/check.ps1": alone})
    assert _read(fixed, "tools/check.ps1") == alone
    assert [item.line for item in left] == [2]


@pytest.mark.parametrize(
    ("entry", "mended"),
    [
        (b'"LEDGER_TOKEN" = "salt-and-rope-9"', b'"LEDGER_TOKEN" = $(if ($env:LEDGER_TOKEN) {'),
        (b"'LedgerToken'='salt-and-rope-9'", b"'LedgerToken'=$(if ($env:LEDGER_TOKEN) {"),
        (
            b'"a" = @{ "LEDGER_TOKEN" = "salt-and-rope-9"; "LEDGER_SECRET" = "tide-7-table" }',
            b'throw "LEDGER_TOKEN is not set" }); "LEDGER_SECRET" = $(if ($env:LEDGER_SECRET) {',
        ),
    ],
    ids=["double", "single", "two-on-a-line"],
)
def test_derive_reads_an_entry_whose_key_stands_in_quotes(entry: bytes, mended: bytes) -> None:
    """A hashtable's key may stand in quotes; the value is as secret."""
    fixed, left = _fixed({"tools/vault.ps1": b"$data = @{\n    %s\n}\n" % entry})
    after = _read(fixed, "tools/vault.ps1")
    assert mended in after
    assert b"-and-rope-" not in after
    assert left == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("tools/vault.ps1", b'"LEDGER_TOKEN" = $Script:Token'),
        ("tools/vault.ps1", b'# "LEDGER_TOKEN" = "salt-and-rope-9"'),
        ("tools/vault.ps1", b'"LEDGER_TITLE" = "salt-and-rope-9"'),
        ("tools/vault.ps1", b'"LEDGER_TOKEN" = "<your token>"'),
        ("tools/run.sh", b'[ "LEDGER_TOKEN" = "salt-and-rope-9" ]'),
        ("tools/run.sh", b'[ "$LEDGER_TOKEN" = "salt-and-rope-9" ]'),
    ],
    ids=["variable", "comment", "no-secret", "placeholder", "comparison", "expansion"],
)
def test_derive_sees_no_secret_beside_a_quoted_word_that_is_no_key_of_one(
    path: str, line: bytes
) -> None:
    """What is no entry, or holds nothing that opens something, is found by nobody."""
    fixed, left = _fixed({path: line + b"\n"})
    assert (_read(fixed, path), left) == (line + b"\n", [])


def test_derive_mends_a_script_for_itself_and_for_what_it_loads() -> None:
    """A script with a secret of its own that uses a shared one gets both mendings."""
    files = {
        "docker-compose.yml": HARBOUR,
        "tools/Shared/Config.ps1": b'$Script:VaultToken = "tide-root-4"\n',
        "tools/vault.ps1": b'$h = @{ "X" = $Script:VaultToken }\n$LEDGER_TOKEN = "salt-rope-9"\n',
    }
    fixed, left = _fixed(files)
    after = _read(fixed, "tools/vault.ps1")
    assert after.startswith(b"if (-not $Script:VaultToken) { throw ")
    assert b"$LEDGER_TOKEN = $(if ($env:LEDGER_TOKEN) {" in after
    assert left == []


SEED = b"""import { hash } from 'bcrypt'
const crew = [{ email: 'master@pier.test', secret: await hash(process.env.CREW_PASSWORD, 10) }]
"""
SIGN_IN = b'$body = @{\n    "email" = "master@pier.test"\n    "password" = "tide-7-table"\n}\n'


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (SEED, b"CREW_PASSWORD"),
        (SEED.replace(b"master@", b"mate.master@"), b"MASTER_PASSWORD"),
        (SEED + b"hash(process.env.MATE_PASSWORD)\n", b"MASTER_PASSWORD"),
        (SEED.replace(b"process.env.CREW_PASSWORD", b"made()"), b"MASTER_PASSWORD"),
    ],
    ids=["seeded", "another-user", "two-passwords", "no-variable"],
)
def test_derive_asks_for_what_a_seed_makes_the_user_with(seed: bytes, expected: bytes) -> None:
    """A user has the password of the seed; where no seed tells one, it is called after the user."""
    fixed, left = _fixed({"tools/check.ps1": SIGN_IN, "tools/db/seed.ts": seed})
    after = _read(fixed, "tools/check.ps1")
    assert b'"password" = $(if ($env:%s) { $env:%s }' % (expected, expected) in after
    assert left == []


RECIPE = b"""FROM python:3.12-slim
ENV LEDGER_URI=postgresql://u:salt-and-rope-9@store:5432/ledger
ENV LEDGER_ROOT=/srv/ledger
ENV LEDGER_STORE_URI=postgresql://u:salt-and-rope-9@store:5432/ledger
CMD ["ledger", "serve", \\
     "--store-uri", "postgresql://u:salt-and-rope-9@store:5432/ledger", \\
     "--title", "all of it"]
"""
STARTED = b"""  ledger:
    build: ./pier-ledger
    environment:
      - LEDGER_ROOT=/srv/ledger
"""
WORKLOAD = b"""apiVersion: apps/v1
kind: Deployment
metadata: {name: pier-ledger, namespace: books}
spec:
  selector: {matchLabels: {app: l}}
  template:
    metadata: {labels: {app: l}}
    spec:
      containers:
        - name: ledger
          image: registry.test/pier-ledger:1
          env:
            - name: SIGNING_SECRET
              valueFrom: {secretKeyRef: {name: books, key: signing-secret}}
"""


def test_derive_has_every_starter_of_an_image_bring_what_leaves_it() -> None:
    """Compose, manifest and ExternalSecret bring it before the image goes without."""
    files = {
        "docker-compose.yml": HARBOUR + STARTED,
        "pier-ledger/Dockerfile": RECIPE,
        "k8s/ledger.yaml": WORKLOAD,
    }
    tree = MemoryTree(files)
    assert [line for line in _open(tree) if "Dockerfile" in line] == [
        f"pier-ledger/Dockerfile:{number}" for number in (2, 4, 6)
    ]
    fixed, left = _fixed(files)
    assert left == []
    assert _open(fixed) == []
    assert _read(fixed, "pier-ledger/Dockerfile") == (
        b"FROM python:3.12-slim\nENV LEDGER_ROOT=/srv/ledger\nCMD exec ledger serve \\\n"
        b'    --store-uri "${LEDGER_STORE_URI:?is not set}" \\\n'
        b"    --title 'all of it'\n"
    )
    compose = yaml.safe_load(_read(fixed, "docker-compose.yml"))
    address = "postgresql://u:${POSTGRES_PASSWORD:?set it in .env}@store:5432/ledger"
    assert compose["services"]["ledger"]["environment"] == [
        "LEDGER_ROOT=/srv/ledger",
        f"LEDGER_URI={address}",
        f"LEDGER_STORE_URI={address}",
    ]
    pod = yaml.safe_load(_read(fixed, "k8s/ledger.yaml"))["spec"]["template"]["spec"]
    read = {item["name"]: item["valueFrom"]["secretKeyRef"] for item in pod["containers"][0]["env"]}
    assert read["LEDGER_STORE_URI"] == {"name": "books", "key": "ledger-store-uri"}
    assert rules.findings(rules.checks(GAP, fixed)) == ()
    brought = [
        row["secretKey"]
        for path in fixed.paths()
        if path.name.endswith("-external-secret.yaml")
        for row in yaml.safe_load(_read(fixed, str(path)))["spec"]["data"]
    ]
    assert sorted(brought) == sorted({*brought})
    assert {"ledger-uri", "ledger-store-uri", "signing-secret"} <= {*brought}


@pytest.mark.parametrize(
    ("recipe", "compose"),
    [
        (RECIPE, HARBOUR),
        (RECIPE.replace(b"python:3.12-slim", b"scratch"), HARBOUR + STARTED),
        (RECIPE + b'ENTRYPOINT ["tini", "--"]\n', HARBOUR + STARTED),
        (RECIPE.replace(b"ENV LEDGER_URI=", b"ARG LEDGER_URI="), HARBOUR + STARTED),
        (RECIPE.replace(b"ENV LEDGER_STORE_URI=", b"ENV ROOT=1 STORE_URI="), HARBOUR + STARTED),
    ],
)
def test_derive_leaves_an_image_that_nobody_starts_or_that_is_not_plain(
    recipe: bytes, compose: bytes
) -> None:
    """Without a starter, a shell or a plain line the image stays whole, and its places are told."""
    fixed, left = _fixed({"docker-compose.yml": compose, "pier-ledger/Dockerfile": recipe})
    assert _read(fixed, "pier-ledger/Dockerfile") == recipe
    assert {str(item.path) for item in left} == {"pier-ledger/Dockerfile"}


@pytest.mark.parametrize(
    ("path", "content", "after"),
    [
        (
            "pier/feature_store.yaml",
            b"offline_store:\n  type: postgres\n  host: store\n  password: salt-and-rope-9\n",
            b"  password: ${POSTGRES_PASSWORD}\n",
        ),
        (
            "pier/online.yaml",
            (
                b"root: ${PIER_ROOT}\nstore:\n  type: rabbitmq\n  user: u\n"
                b"  password: 'salt-and-rope-9'\n"
            ),
            b"  password: '${RABBITMQ_PASS}'\n",
        ),
        (
            "cloud-layer/pier/profiles.yml",
            b"dev:\n  pass: \"{{ env_var('DB_PASSWORD', 'salt-and-rope-9') }}\"\n",
            b"  pass: \"{{ env_var('DB_PASSWORD', '') }}\"\n",
        ),
    ],
)
def test_derive_has_a_connection_read_the_stores_own_variable(
    path: str, content: bytes, after: bytes
) -> None:
    """Files whose reader puts variables in get one; a profile is read without it as before."""
    fixed, left = _fixed({"docker-compose.yml": HARBOUR, path: content})
    assert left == []
    assert _read(fixed, path).splitlines(keepends=True)[-1] == after
    assert _open(fixed) == []


def test_derive_leaves_a_connection_whose_reader_is_not_known() -> None:
    """A file in which nothing is put in keeps its password, and it is told."""
    content = b"store:\n  type: postgres\n  host: store\n  password: salt-and-rope-9\n"
    fixed, left = _fixed({"docker-compose.yml": HARBOUR, "pier/store.yaml": content})
    assert _read(fixed, "pier/store.yaml") == content
    assert [(str(item.path), item.line) for item in left] == [("pier/store.yaml", 4)]


def test_derive_says_nothing_of_a_secret_that_it_hands_over() -> None:
    """A manifest's Secret that the operator makes from now on is mended, not left."""
    secret = (
        b"apiVersion: v1\nkind: Secret\nmetadata: {name: books, namespace: books}\n"
        b"type: Opaque\nstringData:\n  signing-secret: salt-and-rope-9\n"
    )
    fixed, left = _fixed({"k8s/ledger.yaml": WORKLOAD + b"---\n" + secret})
    assert left == []
    assert _open(fixed) == []


KUSTOMIZATION = b"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n%s"
NAMESPACE = b"apiVersion: v1\nkind: Namespace\nmetadata: {name: books}\n"


@pytest.mark.parametrize(
    ("listed", "beside", "after"),
    [
        (b"  - namespace.yaml\n", ["00-namespace.yaml"], b"  - 00-namespace.yaml\n"),
        (
            b"  - 'namespace.yml' # first\n",
            ["1_namespace.yaml"],
            b"  - '1_namespace.yaml' # first\n",
        ),
        (b"  - namespace.yaml\n", ["00-namespace.yaml", "01-namespace.yaml"], None),
        (b"  - namespace.yaml\n", ["other.yaml"], None),
        (b"  - ../namespace.yaml\n", ["00-namespace.yaml"], None),
        (b"  - 00-namespace.yaml\n", ["00-namespace.yaml", "01-namespace.yaml"], None),
    ],
)
def test_derive_lists_the_manifest_that_is_meant(
    listed: bytes, beside: list[str], after: bytes | None
) -> None:
    """One manifest of that name under another number is meant; none or two are nobody's guess."""
    rest = b"  - ledger.yaml\n"
    files = {
        "k8s/kustomization.yaml": KUSTOMIZATION % (listed + rest),
        "k8s/ledger.yaml": WORKLOAD.partition(b"---")[0]
        + b"---\napiVersion: v1\nkind: Secret\nmetadata: {name: books, namespace: books}\n"
        b"stringData:\n  signing-secret: salt-and-rope-9\n",
        **{f"k8s/{name}": NAMESPACE for name in beside},
    }
    fixed, _ = _fixed(files)
    expected = KUSTOMIZATION % ((listed if after is None else after) + rest)
    assert _read(fixed, "k8s/kustomization.yaml") == expected


def test_derive_has_a_form_start_empty() -> None:
    """A password that a page fills in goes, and the rest of the form stays as it is."""
    page = (
        b"const [email, setEmail] = useState('a@b.test');\n"
        b'const [password, setPassword] = useState("salt-and-rope-9");\n'
        b"useForm({ defaultValues: { email: 'a@b.test', password: 'salt-and-rope-9' } });\n"
    )
    fixed, left = _fixed({"web/src/Login.tsx": page})
    assert left == []
    assert _read(fixed, "web/src/Login.tsx") == page.replace(b"salt-and-rope-9", b"")
