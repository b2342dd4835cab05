"""What opens one account of a server has one remote key, and another account another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from closeout import process
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps.external_secrets import GAP
from tests.support.recorded_cluster import program

FOLDER = "k8s/external-secrets"
SCRIPT = f"{FOLDER}/create-remote-secrets.sh"
SERVER = "farmiq-prod-cloud-postgres-postgres-password"
STORE = """services:
  postgres:
    image: postgres:16
    container_name: herd-store
    environment:
      POSTGRES_USER: ${STORE_USER:-herdsman}
      POSTGRES_PASSWORD: ${STORE_PASSWORD:?}
"""
CLIENT = """  cloud-herd:
    build: ./cloud-herd
    depends_on: [postgres]
    environment:
"""
GIVEN = "      PEN_DB_HOST: {host}\n      PEN_DB_USER: {role}\n      PEN_DB_PASSWORD: ${{PW:?}}\n"
COMPOSE = "cloud-layer/docker-compose.yml"


def given(host: str = "postgres", role: str = "herdsman") -> str:
    """Return a compose file with the store and one client of it."""
    return STORE + CLIENT + GIVEN.format(host=host, role=role)


def fixed(files: dict[str, str]) -> Overlay:
    """Return a tree of the services that `files` name, after one fix that a second leaves alone."""
    usual = {"package.json": '{"name": "farmiq"}', "closeout.toml": "[external-secrets]\n"}
    usual |= {f"cloud-layer/{name}/package.json": "{}" for name in ("cloud-herd", "cloud-barn")}
    tree = MemoryTree({name: text.encode() for name, text in (usual | files).items()})
    overlay = Overlay(tree)
    for changeset in GAP.fix(tree):
        for edit in changeset.edits:
            overlay.lay(edit)
    assert GAP.fix(overlay) == ()
    return overlay


def keys(stage: Overlay) -> list[str]:
    """Return the remote keys of all manifests, each once."""
    lines = (
        line.strip()
        for path in stage.paths()
        if path.suffix == ".yaml" and path.parts[0] == "k8s"
        for line in (stage.read(path) or b"").decode().splitlines()
    )
    return sorted({line.split()[1] for line in lines if line.startswith("key: farmiq-")})


PYTHON = """import os
HOST = os.getenv("PEN_DB_HOST", "{host}")
USER = os.environ.get("PEN_DB_USER", "{role}")
PASSWORD = os.environ["PEN_DB_PASSWORD"]
"""
SCRIPTED = """const pool = {{
  host: process.env.PEN_DB_HOST || '{host}',
  user: process.env.PEN_DB_USER ?? "{role}",
  password: process.env.PEN_DB_PASSWORD,
}}
"""
LISTED = "PEN_DB_HOST={host}\nexport PEN_DB_USER={role} # who\nPEN_DB_PASSWORD=\n"
BARE = STORE + CLIENT.removesuffix("    environment:\n")
BOARD = """apiVersion: apps/v1
kind: Deployment
metadata: {{name: cloud-herd, namespace: farmiq-cloud-prod}}
spec:
  template:
    spec:
      containers:
        - name: herd
          env:
            - name: PEN_DB_HOST
              valueFrom: {{secretKeyRef: {{name: herd-login, key: host}}}}
            - {{name: PEN_DB_USER, value: {role}}}
            - name: PEN_DB_PASSWORD
              valueFrom: {{secretKeyRef: {{name: herd-login, key: password}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: herd-login, namespace: farmiq-cloud-prod}}
stringData:
  host: {host}
  password: Tr1cky-Herd-Pass
"""
SAID = {
    "compose": (COMPOSE, given("{host}", "{role}")),
    "python": ("cloud-layer/cloud-herd/app/config.py", PYTHON),
    "typescript": ("cloud-layer/cloud-herd/src/pool.ts", SCRIPTED),
    "example": ("cloud-layer/cloud-herd/.env.example", LISTED),
    "manifest": ("k8s/herd.yaml", BOARD),
}


def says(where: str, host: str, role: str) -> dict[str, str]:
    """Return files of which one says where and as whom the client signs in."""
    path, text = SAID[where]
    if where == "compose":
        return {path: given(host, role)}
    told = text.format(host=host, role=role)
    return {COMPOSE: given() if where == "manifest" else BARE, path: told}


@pytest.mark.parametrize("where", SAID)
@pytest.mark.parametrize("host", ["postgres", "herd-store"])
def test_clients_of_one_account_read_the_key_of_its_server(where: str, host: str) -> None:
    """Each would else get a random value that opens nothing."""
    if (where, host) != ("manifest", "herd-store"):  # no host of the cluster
        assert keys(fixed(says(where, host, "herdsman"))) == [SERVER]


@pytest.mark.parametrize("where", SAID)
@pytest.mark.parametrize(
    ("host", "role"),
    [("postgres", "auditor"), ("barn", "herdsman"), ("db.example.com", "herdsman")],
)
def test_another_account_has_another_key(where: str, host: str, role: str) -> None:
    """One value does not open two roles, nor two servers."""
    made = keys(fixed(says(where, host, role)))
    assert made == [SERVER, "farmiq-prod-pen-db-password"]


@pytest.mark.parametrize(
    ("host", "is_shared"),
    [
        ("postgres.farmiq-cloud-prod", True),
        ("postgres.farmiq-cloud-prod.svc", True),
        ("postgres.b", False),
    ],
)
def test_host_of_another_namespace_is_another_server(host: str, *, is_shared: bool) -> None:
    """A name of the cluster says where the server runs."""
    made = keys(fixed(says("manifest", host, "herdsman")))
    assert (made == [SERVER]) is is_shared


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {
                COMPOSE: "services:\n  redis:\n    image: redis:7\n"
                "    command: redis-server --requirepass ${CACHE:?}\n"
                + CLIENT.replace("postgres", "redis")
                + "      REDIS_HOST: redis\n      REDIS_PASSWORD: ${CACHE:?}\n"
            },
            ["farmiq-prod-cloud-redis-redis-password"],
        ),
        (
            {COMPOSE: STORE + CLIENT + "      PW: a\n      PEN_DB_PASSWORD: ${STORE_PASSWORD}\n"},
            [SERVER],
        ),
        (
            {
                COMPOSE: STORE,
                "cloud-layer/docker-compose.more.yml": "services:\n"
                + CLIENT
                + GIVEN.format(host="postgres", role="${STORE_USER:-herdsman}"),
            },
            [SERVER],
        ),
        (
            {
                COMPOSE: "services:\n"
                + (CLIENT + GIVEN).format(host="db.example.com", role="herdsman")
                + (CLIENT + GIVEN)
                .format(host="db.example.com", role="herdsman")
                .replace("herd:", "barn:")
                .replace("./cloud-herd", "./cloud-barn")
                .replace("PEN_DB", "DB")
            },
            ["farmiq-prod-db-password"],
        ),
    ],
    ids=["without-roles", "the-same-variable", "in-files-side-by-side", "of-a-server-elsewhere"],
)
def test_one_account_is_known_in_other_ways(files: dict[str, str], expected: list[str]) -> None:
    """By the server's command, by what compose hands on, in two files, by two clients alone."""
    assert keys(fixed(files)) == expected


@pytest.mark.parametrize(("host", "role"), [("postgres", "auditor"), ("barn", "herdsman")])
def test_one_variable_of_two_accounts_has_two_keys(host: str, role: str) -> None:
    """Its name alone would make one key of it."""
    other = (CLIENT + GIVEN).format(host=host, role=role)
    other = other.replace("cloud-herd", "cloud-barn").replace("[postgres]", "[a]")
    compose = "services:\n" + (CLIENT + GIVEN).format(host="postgres", role="herdsman") + other
    assert keys(fixed({COMPOSE: compose})) == [
        "farmiq-prod-cloud-barn-pen-db-password",
        "farmiq-prod-cloud-herd-pen-db-password",
    ]


ALONE = """apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: pen-store, namespace: farm}}
spec:
  template:
    metadata: {{labels: {{app: pens, tier: data}}}}
    spec:
      containers:
        - name: store
          image: {image}
          env:
            - {{name: POSTGRES_USER, value: herdsman}}
            - name: POSTGRES_PASSWORD
              valueFrom: {{secretKeyRef: {{name: pen-store, key: POSTGRES_PASSWORD}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: pens, namespace: farm}}
spec: {{selector: {{app: pens}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: tally, namespace: farm-tally}}
spec:
  template:
    spec:
      containers:
        - name: tally
          env:
            - {{name: TALLY_HOST, value: {host}}}
            - {{name: TALLY_USERNAME, value: {role}}}
            - name: TALLY_PASSWORD
              valueFrom: {{secretKeyRef: {{name: tally, key: TALLY_PASSWORD}}}}
"""


@pytest.mark.parametrize(
    ("image", "host", "role", "is_shared"),
    [
        ("postgres:16", "pens.farm", "herdsman", True),
        (
            "registry.example.com/x/postgres@sha256:0",
            "pens.farm.svc.cluster.local",
            "herdsman",
            True,
        ),
        ("postgres:16", "pens", "herdsman", False),
        ("postgres:16", "pen-store.farm", "herdsman", False),
        ("postgres:16", "pens.example.com", "herdsman", False),
        ("postgres:16", "pens.farm", "auditor", False),
        ("farm/board:1", "pens.farm", "herdsman", False),
    ],
)
def test_server_of_the_cluster_and_its_client_read_one_key(
    image: str, host: str, role: str, *, is_shared: bool
) -> None:
    """Manifests alone say it: by the Service in front of the server, in its namespace."""
    text = ALONE.format(image=image, host=host, role=role)
    made = keys(fixed({"k8s/farm.yaml": text}))
    assert (made == ["farmiq-prod-postgres-password"]) is is_shared
    assert len(made) == (1 if is_shared else 2)


@pytest.mark.parametrize(("host", "is_shared"), [("db.example.com", True), ("db", False)])
def test_host_with_a_domain_is_the_same_from_everywhere(host: str, *, is_shared: bool) -> None:
    """A name without one is another server in each network."""
    other = (CLIENT + GIVEN).format(host=host, role="herdsman").replace("PEN_DB", "DB")
    files = {
        COMPOSE: "services:\n" + (CLIENT + GIVEN).format(host=host, role="herdsman"),
        "edge-layer/docker-compose.yml": "services:\n" + other.replace("cloud-herd", "edge-herd"),
        "edge-layer/edge-herd/package.json": "{}",
    }
    made = keys(fixed(files))
    expected = ["farmiq-prod-db-password", "farmiq-prod-pen-db-password"]
    assert made == (expected[:1] if is_shared else expected)


@pytest.mark.parametrize(("namespace", "is_shared"), [("farmiq-cloud-prod", True), ("b", False)])
def test_server_is_named_with_its_own_namespace(namespace: str, *, is_shared: bool) -> None:
    """A client of another namespace says so; it is the server's place that counts."""
    text = BOARD.format(host=f"postgres.{namespace}", role="herdsman")
    text = text.replace("farmiq-cloud-prod}", "farm-board}")
    near = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: farmiq-cloud-prod}\n"
    )
    made = keys(fixed({COMPOSE: given(), "k8s/herd.yaml": text, "k8s/a.yaml": near}))
    assert (made == [SERVER]) is is_shared


def test_account_of_developers_alone_changes_no_key() -> None:
    """Production keeps nothing for it, so no key of production makes way."""
    other = (CLIENT + GIVEN).format(host="barn", role="herdsman")
    other = other.replace("cloud-herd", "cloud-barn").replace("[postgres]", "[a]")
    files = {COMPOSE: "services:\n" + (CLIENT + GIVEN).format(host="far", role="herdsman")}
    files |= {
        "cloud-layer/docker-compose.dev.yml": "services:\n" + other.replace("cloud-barn", "x")
    }
    assert keys(fixed(files)) == ["farmiq-prod-pen-db-password"]


OWN = """apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: cloud-postgres-secrets, namespace: farmiq-cloud-prod}
spec:
  secretStoreRef: {kind: ClusterSecretStore, name: gcp-secret-manager}
  target: {name: cloud-postgres-secrets}
  data:
    - secretKey: POSTGRES_PASSWORD
      remoteRef:
        key: farmiq-store-main
"""
KEPT = """apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: gcp-secret-manager}
spec:
  conditions: [{namespaces: [farmiq-cloud-prod]}]
  provider: {gcpsm: {projectID: farmiq-prod}}
"""


def test_key_of_an_author_is_taken_over() -> None:
    """The account's password is there already under a name that its owner chose."""
    files = {COMPOSE: given(), f"{FOLDER}/own.yaml": OWN, f"{FOLDER}/store.yaml": KEPT}
    stage = fixed(files)
    assert (stage.read(f"{FOLDER}/own.yaml") or b"").decode() == OWN
    assert keys(stage) == ["farmiq-store-main"]


def made(files: dict[str, str], folder: Path, answers: bytes) -> tuple[int, str, dict[str, str]]:
    """Return the code and errors of the script that creates secrets, and what the store holds."""
    stage = fixed(files)
    for path in stage.paths():
        if path.parts[0] == "k8s":
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(stage.read(path) or b"")
    held = folder / "held"
    held.mkdir()
    program(
        folder,
        "gcloud",
        'case "$2 $3" in\n'
        f'"versions list") ls {held} | grep -x -- "$4";;\n'
        f'"versions add") cat > {held}/"$4";;\n'
        f'"versions access") cat {held}/"$6";;\n'
        "esac",
    )
    program(
        folder,
        "vault",
        'case "$2" in\n'
        f'metadata) test -e {held}/"$5";;\n'
        f'put) cat > {held}/"$4";;\n'
        f'get) cat {held}/"$5";;\n'
        "esac",
    )
    path = {"PATH": f"{folder}:/usr/bin:/bin"}
    result = process.run(["bash", folder / SCRIPT], env=path, stdin=answers, deadline=20)
    values = {item.name: item.read_text("utf-8") for item in held.iterdir()}
    assert all(value not in result.out + result.err for value in values.values())
    return result.code, result.err, values


ADDRESS = "      DATABASE_URL: postgres://{role}:${{STORE_PASSWORD:?}}@{host}:5432/herd?a=b\n"
HERD_URL = "farmiq-prod-cloud-herd-database-url"


@pytest.mark.parametrize("provider", ["gcpsm", "vault"])
@pytest.mark.parametrize(
    ("password", "expected"), [("a/b+c= é", "a%2Fb%2Bc%3D%20%C3%A9"), ("Plain-1.a_b~", None)]
)
def test_address_is_composed_of_the_password_of_its_account(
    tmp_path: Path, provider: str, password: str, expected: str | None
) -> None:
    """An empty answer fills in what the server was given, encoded as an address has it."""
    files = {
        COMPOSE: STORE + CLIENT + ADDRESS.format(role="${STORE_USER:-herdsman}", host="postgres"),
        "closeout.toml": f'[external-secrets]\nprovider = "{provider}"\n',
    }
    code, errors, values = made(files, tmp_path, f"{password}\n\n".encode())
    assert code == 0, errors
    address = f"postgres://herdsman:{expected or password}@postgres:5432/herd?a=b"
    assert values == {SERVER: password, HERD_URL: address}


def test_address_holds_a_password_that_was_made_up(tmp_path: Path) -> None:
    """Nobody has to read back what the script made."""
    compose = STORE + CLIENT + ADDRESS.format(role="herdsman", host="postgres")
    code, errors, values = made({COMPOSE: compose}, tmp_path, b"\n\n")
    assert code == 0, errors
    encoded = values[SERVER].replace("/", "%2F").replace("+", "%2B").replace("=", "%3D")
    assert len(values[SERVER]) == 64
    assert values[HERD_URL] == f"postgres://herdsman:{encoded}@postgres:5432/herd?a=b"


@pytest.mark.parametrize(
    ("role", "host"), [("auditor", "postgres"), ("herdsman", "barn"), ("$ROLE", "postgres")]
)
def test_address_of_another_account_is_asked_for(tmp_path: Path, role: str, host: str) -> None:
    """The password that is known does not open it."""
    compose = STORE + CLIENT + ADDRESS.format(role=role, host=host)
    code, errors, values = made({COMPOSE: compose}, tmp_path, b"\n\n")
    assert (code, HERD_URL in values) == (1, False)
    assert "is an address and cannot be made up" in errors


def test_address_is_not_composed_of_a_password_that_is_blank(tmp_path: Path) -> None:
    """A secret that cannot be read gives an error, not an address without a password."""
    compose = STORE + CLIENT + ADDRESS.format(role="herdsman", host="postgres")
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / SERVER).touch()
    stage = fixed({COMPOSE: compose})
    (tmp_path / "script").write_bytes(stage.read(SCRIPT) or b"")
    entry = "cloud-herd-external-secret.yaml"
    (tmp_path / entry).write_bytes(stage.read(f"{FOLDER}/{entry}") or b"")
    program(tmp_path, "gcloud", "exit 0")
    result = process.run(
        ["bash", tmp_path / "script"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        stdin=b"\n",
        deadline=20,
    )
    assert (result.code, "has no value yet" in result.err) == (1, True)


@pytest.mark.needs("shellcheck")
@pytest.mark.parametrize("provider", ["gcpsm", "vault"])
def test_script_that_composes_is_clean(tmp_path: Path, provider: str) -> None:
    """The longest form of the script is as clean as the short one."""
    files = {
        COMPOSE: STORE + CLIENT + ADDRESS.format(role="herdsman", host="postgres"),
        "closeout.toml": f'[external-secrets]\nprovider = "{provider}"\n',
    }
    (tmp_path / "s.sh").write_bytes(fixed(files).read(SCRIPT) or b"")
    result = process.run(["shellcheck", tmp_path / "s.sh"])
    assert (result.out, result.code) == ("", 0)
