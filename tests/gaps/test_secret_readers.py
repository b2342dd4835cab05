"""Gap 10: secrets arrive under the names, keys and namespaces by which they are read."""

from __future__ import annotations

import re

import pytest
import yaml

from closeout.engine import rules
from closeout.formats.manifests import validate
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps import backup, external_secrets, factory_secret
from closeout.model import Gap, Tree
from tests.support.delivered import not_interpolated, shut_out, unresolved

GAP = external_secrets.GAP
FOLDER = "k8s/external-secrets"
COMPOSE = b"""services:
  wharf-desk:
    build: ./wharf-desk
    environment:
      DATABASE_URL: postgresql://${DB_USER:-wharf}:${DB_PASSWORD:-salt-and-rope}@store:5432/${DB_NAME:-desk}
      SIGNING_SECRET: ${SIGNING_SECRET:-tide-table-7}
      MAIL_TOKEN: ${MAIL_TOKEN:-}
  store:
    image: postgres:16
    environment:
      POSTGRES_USER: ${DB_USER:-wharf}
      POSTGRES_DB: ${DB_NAME:-desk}
      POSTGRES_PASSWORD: ${DB_PASSWORD:-salt-and-rope}
"""
VALUES = b"""env:
  - name: SIGNING_SECRET
    valueFrom:
      secretKeyRef:
        name: wharf-desk-keys
        key: signing-secret
  - name: DATABASE_URL
    valueFrom:
      secretKeyRef: {name: wharf-desk-keys, key: database-url}
"""
DEPLOYMENT = b"""apiVersion: apps/v1
kind: Deployment
metadata: {name: desk}
spec:
  template:
    metadata:
      labels: {app: desk}
    spec:
      containers:
        - name: desk
          env: {{- toYaml .Values.env | nindent 12 }}
"""
OWN_SECRET = b"""apiVersion: v1
kind: Secret
metadata:
  name: {{ .Chart.Name }}-keys
data:
  signing-secret: {{ .Values.keys.signing | b64enc }}
"""
APPLICATION = b"""apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: desk-%s, namespace: argocd}
spec:
  source: {path: deploy/wharf-desk, targetRevision: main}
  destination: {namespace: harbour-%s}
"""
LEDGER = b"""apiVersion: apps/v1
kind: Deployment
metadata:
  name: ledger
  namespace: harbour-books
spec:
  selector: {matchLabels: {app: ledger}}
  template:
    metadata: {labels: {app: ledger}}
    spec:
      containers:
        - name: ledger
          image: example/ledger:1
          env:
            - name: LEDGER_HOST
              valueFrom: {secretKeyRef: {name: ledger-store, key: host}}
            - name: LEDGER_PASSWORD
              valueFrom: {secretKeyRef: {name: ledger-store, key: password}}
---
# The books' store.
apiVersion: v1
kind: Secret
metadata:
  name: ledger-store
  namespace: harbour-books
type: Opaque
stringData:
  host: books.internal
  password: barnacle-harvest-5
"""
FILES = {
    "docker-compose.yml": COMPOSE,
    "deploy/wharf-desk/Chart.yaml": b"apiVersion: v2\nname: wharf-desk\nversion: 1.0.0\n",
    "deploy/wharf-desk/values.yaml": VALUES,
    "deploy/wharf-desk/templates/deployment.yaml": DEPLOYMENT,
    "deploy/wharf-desk/templates/secret.yaml": OWN_SECRET,
    "argo/dev.yaml": APPLICATION % (b"dev", b"dev"),
    "argo/prod.yaml": APPLICATION % (b"prod", b"prod"),
    "k8s/ledger.yaml": LEDGER,
}


def _fixed(tree: Tree, *gaps: Gap) -> Overlay:
    overlay = Overlay(tree)
    for gap in gaps or (GAP,):
        for changeset in gap.fix(overlay):
            for edit in changeset.edits:
                overlay.lay(edit)
    return overlay


def _messages(tree: Tree) -> list[str]:
    return [item.message for item in rules.findings(rules.checks(GAP, tree))]


def _text(tree: Tree, path: str) -> str:
    return (tree.read(path) or b"").decode()


def test_derive_brings_what_charts_and_manifests_read() -> None:
    """Every secretKeyRef resolves, every namespace is admitted, and nothing is left open."""
    tree = MemoryTree(FILES)
    assert len(unresolved(tree)) == 2
    fixed = _fixed(tree)
    assert unresolved(fixed) == []
    assert shut_out(fixed) == []
    assert _messages(fixed) == []
    assert GAP.fix(fixed) == ()
    made = yaml.safe_load(_text(fixed, f"{FOLDER}/wharf-desk-keys-external-secret.yaml"))
    assert made["metadata"] | {"labels": None} == {
        "name": "wharf-desk-keys",
        "namespace": "harbour-prod",
        "labels": None,
    }
    keys = {row["secretKey"] for row in made["spec"]["data"]}
    assert keys == {"signing-secret", "database-url"}


def test_derive_brings_nothing_that_a_chart_reads_as_optional() -> None:
    """A key that the store lacks would keep the operator from bringing the others."""
    line = b"  - name: MAIL_TOKEN\n    valueFrom:\n      secretKeyRef:"
    values = VALUES + line + b" {name: wharf-desk-keys, key: mail-token, optional: true}\n"
    fixed = _fixed(MemoryTree({**FILES, "deploy/wharf-desk/values.yaml": values}))
    made = [
        _text(fixed, str(edit.path)).lower() for edit in fixed.edits if "k8s" in edit.path.parts
    ]
    assert any("signing-secret" in text for text in made)
    assert not any("mail" in text for text in made)
    assert _messages(fixed) == []


def test_derive_leaves_a_charts_own_secret_to_the_operator_where_there_is_one() -> None:
    """Two makers of one Secret undo each other; without the operator the chart's stays."""
    path = "deploy/wharf-desk/templates/secret.yaml"
    fixed = _fixed(MemoryTree(FILES))
    lines = _text(fixed, path).splitlines()
    has = '.Capabilities.APIVersions.Has "external-secrets.io/v1/ExternalSecret"'
    assert lines[0] == f"{{{{- if not ({has}) }}}}"
    assert "apply k8s/external-secrets before the next release" in lines[1]
    assert lines[-1] == "{{- end }}"
    undone = MemoryTree(
        {str(item): fixed.read(item) or b"" for item in fixed.paths()} | {path: OWN_SECRET}
    )
    assert any("an ExternalSecret does too" in message for message in _messages(undone))


def test_derive_hands_over_a_secret_that_a_manifest_writes_out() -> None:
    """The same name and keys: what is no secret stays in the manifest, the rest is brought."""
    fixed = _fixed(MemoryTree(FILES))
    after = fixed.read("k8s/ledger.yaml") or b""
    (_, made) = yaml.safe_load_all(after)
    assert made["kind"] == "ExternalSecret"
    assert made["spec"]["target"]["template"]["data"] == {
        "host": "books.internal",
        "password": '{{ index . "password" }}',
    }
    assert after.startswith(LEDGER.partition(b"apiVersion: v1\nkind: Secret")[0])
    assert b"barnacle" not in after
    assert validate(after) == ()


def test_derive_brings_a_word_that_only_stands_for_a_password() -> None:
    """A workload runs with the word password; the comment behind it goes with it."""
    weak = LEDGER.replace(b"barnacle-harvest-5\n", b"password # weak\n  pin: barnacle-harvest-5\n")
    swapped = weak.replace(
        b"  password: password # weak\n  pin: barnacle-harvest-5\n",
        b"  pin_key: barnacle-harvest-5\n  password: password # weak\n",
    )
    fixed = _fixed(MemoryTree(FILES | {"k8s/ledger.yaml": swapped}))
    after = fixed.read("k8s/ledger.yaml") or b""
    (_, made) = yaml.safe_load_all(after)
    assert "password" in {item["secretKey"] for item in made["spec"]["data"]}
    assert b"weak" not in after


def test_derive_leaves_a_secret_that_names_no_namespace() -> None:
    """Where the operator has to make it, nobody can say; the store and the others go on."""
    plain = LEDGER.replace(b"  namespace: harbour-books\n", b"")
    tree = MemoryTree(FILES | {"k8s/ledger.yaml": plain})
    fixed = _fixed(tree)
    assert fixed.read("k8s/ledger.yaml") == plain
    store = yaml.safe_load(_text(fixed, f"{FOLDER}/cluster-secret-store.yaml"))
    assert all(store["spec"]["conditions"][0]["namespaces"])
    for path in (item for item in fixed.paths() if str(item).startswith(FOLDER)):
        assert validate(fixed.read(path) or b"") == () or path.suffix != ".yaml", path


@pytest.mark.parametrize(
    "held",
    [
        b"stringData:\n  passwordfile: |\n    # Put hashes here.\n    # One a line.\n",
        b"stringData:\n  host: books.internal\n  port: '5432'\n  username: clerk\n",
    ],
)
def test_detect_finds_no_secret_in_what_only_connects_or_comments(held: bytes) -> None:
    """Near miss: a Secret of comments, and one that holds where and as whom."""
    secret = b"apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: b}\n" + held
    assert not [item for item in _messages(MemoryTree({"k8s/a.yaml": secret})) if "written" in item]


def test_derive_takes_only_the_secret_out_of_compose() -> None:
    """A user, a host and a database keep their defaults, and what was optional stays so."""
    fixed = _fixed(MemoryTree(FILES))
    after = _text(fixed, "docker-compose.yml")
    assert "${DB_USER:-wharf}:${DB_PASSWORD:?set it in .env}@store:5432/${DB_NAME:-desk}" in after
    assert "POSTGRES_DB: ${DB_NAME:-desk}" in after
    assert "MAIL_TOKEN: ${MAIL_TOKEN:-}" in after
    assert not_interpolated(fixed) == []
    assert "\nDB_PASSWORD=\n" in _text(fixed, ".env.example")


def test_derive_completes_an_example_that_is_there() -> None:
    """Whatever a compose file beside an example requires stands in it."""
    files = {
        "docker-compose.dev.yml": b"services:\n  a:\n    image: a:${TAG:?which}\n",
        ".env.example": b"LEVEL=1\n",
    }
    assert not_interpolated(MemoryTree(files)) == [("docker-compose.dev.yml", "TAG")]
    fixed = _fixed(MemoryTree(files))
    assert not_interpolated(fixed) == []
    assert "# What docker-compose.dev.yml requires in .env;" in _text(fixed, ".env.example")


def test_derive_gives_a_servers_password_one_name_everywhere() -> None:
    """Command, health check and every client read the variable that the server is started with."""
    content = b"""services:
  cache:
    image: redis:7
    command: ["redis-server", "--requirepass", "kelp-forest-3"]
    healthcheck:
      test: redis-cli -a kelp-forest-3 ping
  desk:
    image: example/desk:1
    environment:
      REDIS_URL: redis://:kelp-forest-3@cache:6379/0
      RESULT_BACKEND: redis://:kelp-forest-3@cache:6379/1
"""
    fixed = _fixed(MemoryTree({"docker-compose.yml": content}))
    after = _text(fixed, "docker-compose.yml")
    assert "kelp" not in after
    assert after.count("${REDIS_PASSWORD:?") == 4
    assert [line for line in _text(fixed, ".env.example").splitlines() if "=" in line] == [
        "REDIS_PASSWORD="
    ]


def test_derive_leaves_words_alone_that_happen_to_equal_a_password() -> None:
    """A password like the product's name is no sign of itself in paths, hosts and arguments."""
    content = b"""services:
  marshbird:
    image: marshbird/marshbird:4
    command: -c /etc/marshbird --server marshbird:8080 --title marshbird
  store:
    image: postgres:16
    environment:
      POSTGRES_USER: marshbird
      POSTGRES_PASSWORD: marshbird
"""
    after = _text(_fixed(MemoryTree({"docker-compose.yml": content})), "docker-compose.yml")
    assert "command: -c /etc/marshbird --server marshbird:8080 --title marshbird\n" in after
    assert "POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?" in after


@pytest.mark.parametrize(
    "repeating",
    [
        b'[database]\ndsn="postgres://heron:reed-bed@$HOST/heron"\n',
        b"CREATE ROLE heron WITH LOGIN PASSWORD 'reed-bed';\n",
        b"password: reed-bed\n",
    ],
)
def test_derive_leaves_a_password_that_a_mounted_file_repeats(repeating: bytes) -> None:
    """A configuration is read as it is: its server must not go over to another password alone."""
    content = b"""services:
  heron:
    image: heron/heron:4
    volumes:
      - ./configuration:/etc/heron
  store:
    image: postgres:16
    environment:
      POSTGRES_PASSWORD: reed-bed
      ADMIN_PASSWORD: kelp-forest-3
"""
    files = {
        "docker-compose.yml": content,
        "docker-compose.broken.yml": b"services:\n  a: [\n",
        "configuration/heron.conf": repeating,
    }
    tree = MemoryTree(files)
    after = _text(_fixed(tree), "docker-compose.yml")
    assert "POSTGRES_PASSWORD: reed-bed\n" in after
    assert "ADMIN_PASSWORD: ${ADMIN_PASSWORD:?" in after
    told = [item for change in GAP.fix(tree) for item in change.unresolved]
    assert [(item.line, item.detail) for item in told] == [
        (9, "POSTGRES_PASSWORD holds a usable value, and in configuration/heron.conf")
    ]


def test_derive_requires_what_only_a_placeholder_stands_for() -> None:
    """A container runs with the word changeme: it is as well known as any password."""
    line = b"      SEARCH_PASSWORD: ${SEARCH_PASSWORD:-changeme}\n"
    content = b"services:\n  a:\n    image: a\n    environment:\n" + line
    fixed = _fixed(MemoryTree({"docker-compose.yml": content}))
    assert "${SEARCH_PASSWORD:?" in _text(fixed, "docker-compose.yml")


@pytest.mark.parametrize(
    ("folder", "name", "made"),
    [
        ("", b"shop_db", "shop-db-secrets"),
        ("", b"Desk.v2", "desk-v2-secrets"),
        (".docker/", b"desk", None),
    ],
)
def test_derive_makes_names_that_kubernetes_takes(
    folder: str, name: bytes, made: str | None
) -> None:
    """A service's name and its file's folder may hold what an object's name may not."""
    content = b"services:\n  %s:\n    image: a\n    environment:\n      API_TOKEN: abc1\n" % name
    cluster = b"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n"
    fixed = _fixed(MemoryTree({f"{folder}docker-compose.yml": content, "k8s/shop.yaml": cluster}))
    manifests = "".join(_text(fixed, str(path)) for path in fixed.paths() if path.suffix == ".yaml")
    assert made is None or f"name: {made}\n" in manifests
    assert {name for name in _OBJECTS.findall(manifests) if not _ALLOWED.fullmatch(name)} == set()
    assert _messages(fixed) == []


_OBJECTS = re.compile(r"(?m)^ +name(?:space)?: ([^\s{]+)$")
_ALLOWED = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")


def test_derive_gives_development_no_production_secret() -> None:
    """A tool that looks into a store, and what only a development file starts, get no entry."""
    compose = (
        b"services:\n  browse:\n    image: adminer:4\n    environment:\n      ADMIN_TOKEN: ${T}\n"
    )
    dev = b"services:\n  vault:\n    image: vault\n    environment:\n      VAULT_TOKEN: ${T}\n"
    studio = (
        b"services:\n  look:\n    image: a\n    command: npx prisma studio --port 1\n"
        b"    environment:\n      DATABASE_URL: ${T}\n"
    )
    fixed = _fixed(
        MemoryTree(
            {
                "docker-compose.yml": compose,
                "docker-compose.dev.yml": dev,
                "docker-compose.look.yml": studio,
            }
        )
    )
    assert not [path for path in fixed.paths() if path.name.endswith("external-secret.yaml")]


STORE = b"""apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: theirs, namespace: harbour-books}
spec:
  provider:
    aws: {service: SecretsManager, region: eu-west-1}
"""


def test_derive_uses_a_namespaced_store_in_its_namespace_only() -> None:
    """Elsewhere the cluster's store is made: one namespace's store is none for another."""
    fixed = _fixed(MemoryTree(FILES | {"k8s/store.yaml": STORE}))
    (_, ledger) = yaml.safe_load_all(fixed.read("k8s/ledger.yaml") or b"")
    desk = yaml.safe_load(_text(fixed, f"{FOLDER}/wharf-desk-keys-external-secret.yaml"))
    assert ledger["spec"]["secretStoreRef"] == {"kind": "SecretStore", "name": "theirs"}
    assert desk["spec"]["secretStoreRef"]["kind"] == "ClusterSecretStore"
    assert _messages(fixed) == []


def test_derive_adds_to_the_owner_of_a_secret() -> None:
    """A Secret that an ExternalSecret of another name makes gets no second one."""
    owner = b"""apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: keys-of-the-desk, namespace: harbour-prod}
spec:
  secretStoreRef: {kind: ClusterSecretStore, name: gcp-secret-manager}
  target:
    name: wharf-desk-keys
    template:
      data:
        signing-secret: '{{ .signing }}'
  data:
    - secretKey: signing
      remoteRef: {key: signing}
"""
    fixed = _fixed(MemoryTree(FILES | {"k8s/owner.yaml": owner}))
    made = yaml.safe_load(_text(fixed, "k8s/owner.yaml"))
    assert fixed.read(f"{FOLDER}/wharf-desk-keys-external-secret.yaml") is None
    assert made["spec"]["target"]["template"]["data"]["database-url"] == (
        '{{ index . "database-url" }}'
    )
    assert unresolved(fixed) == []
    assert _messages(fixed) == []


def test_derive_mends_the_rest_when_one_manifest_stays_refused() -> None:
    """What nobody but its owner can mend keeps its own place open, and no other."""
    refused = b"""apiVersion: external-secrets.io/v1beta1
kind: ExternalSecret
metadata: {name: odd, namespace: harbour-prod}
spec:
  secretStoreRef: {kind: ClusterSecretStore, name: gcp-secret-manager}
  unheardOf: 1
  data:
    - secretKey: A_TOKEN
      remoteRef: {key: a}
"""
    fixed = _fixed(MemoryTree(FILES | {"k8s/odd.yaml": refused}))
    assert fixed.read("k8s/odd.yaml") == refused
    assert unresolved(fixed) == []


def test_fix_writes_no_name_of_the_orders_project_into_a_foreign_tree() -> None:
    """Namespaces, buckets, accounts and keys are the tree's, in whatever is rendered."""
    tree = MemoryTree(FILES | {"package.json": b'{"name": "@harbour/wharf"}'})
    fixed = _fixed(tree, factory_secret.GAP, backup.GAP, GAP)
    written = {str(edit.path): edit.after.lower() for edit in fixed.edits}
    for word in (b"farmiq", b"bangkok", b"asia-southeast"):
        assert [path for path, text in written.items() if word in text] == []
    assert b"wharf-prod-backups" in written["k8s/backup-cronjob.yaml"]


def test_roll_out_speaks_of_charts_only_where_there_are_some() -> None:
    """A tree without a chart is not told what its charts write; in one with a chart they do."""
    bare = _fixed(MemoryTree({"docker-compose.yml": COMPOSE}))
    assert "The charts" not in _text(bare, f"{FOLDER}/roll-out.sh")
    charts = {path: text for path, text in FILES.items() if not path.startswith("argo/")}
    fixed = _fixed(MemoryTree(charts))
    assert "The charts" in _text(fixed, f"{FOLDER}/roll-out.sh")
    pods = _text(fixed, "deploy/wharf-desk/templates/deployment.yaml")
    assert pods.count("secret-version/wharf-desk-keys: {{ lookup") == 1


def test_roll_out_is_not_undone_where_charts_are_rendered_without_the_cluster() -> None:
    """Argo CD looks nothing up: a version in its chart would undo what a rollout writes."""
    fixed = _fixed(MemoryTree(FILES))
    assert fixed.read("deploy/wharf-desk/templates/deployment.yaml") == DEPLOYMENT
    assert "The charts" not in _text(fixed, f"{FOLDER}/roll-out.sh")
