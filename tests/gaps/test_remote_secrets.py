"""Remote keys: whose value each holds, and that the script which creates them forgets none."""

from __future__ import annotations

from pathlib import Path

import pytest

from closeout import process
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps.external_secrets import GAP
from tests.support.recorded_cluster import program

FOLDER = "k8s/external-secrets"
VAULT = 'provider = "vault"\nvault-server = "https://vault.test:8200"\n'
SCRIPT = f"{FOLDER}/create-remote-secrets.sh"
WRITTEN_OUT = """# What the board signs in with.
apiVersion: v1
kind: ConfigMap
metadata: {name: board, namespace: farmiq-board}
data: {key: a}
---
apiVersion: v1
kind: Secret
metadata:
  name: board-login
  namespace: farmiq-board
stringData:
  host: store
  board-password: Tr1cky-Board-Pass
"""
READS_STORE = """apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: {name}, namespace: farmiq-board}}
spec:
  secretStoreRef: {{kind: ClusterSecretStore, name: {store}}}
  target: {{name: {name}}}
  data:
    - {{secretKey: a, remoteRef: {{key: "board-{name}"}}}}
    - secretKey: key
      remoteRef:
        version: "1"
        key: board-{name}-second # kept
---
apiVersion: v1
kind: Pod
metadata: {{name: p, namespace: farmiq-board}}
spec:
  containers:
    - name: p
      env:
        - name: A
          valueFrom: {{configMapKeyRef: {{name: {name}, key: no-remote-key}}}}
"""


def monorepo(**more: str) -> MemoryTree:
    """Return a tree with one service, and further files whose path has __ for each slash."""
    files = {
        "package.json": '{"name": "farmiq"}',
        "closeout.toml": "[external-secrets]\n",
        "cloud-layer/cloud-herd/.env.example": "JWT_SECRET=\n",
        "cloud-layer/cloud-herd/package.json": '{"name": "cloud-herd"}',
    }
    files |= {name.replace("__", "/"): text for name, text in more.items()}
    return MemoryTree({name: text.encode() for name, text in files.items()})


def fixed(tree: MemoryTree) -> Overlay:
    """Return the tree after one fix."""
    overlay = Overlay(tree)
    for changeset in GAP.fix(tree):
        for edit in changeset.edits:
            overlay.lay(edit)
    return overlay


def asked(stage: Overlay, folder: Path) -> list[str]:
    """Return the remote keys that the script asks for, with a manager that has none of them."""
    for path in stage.paths():
        if path.parts[0] in {"k8s", "deploy"}:
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(stage.read(path) or b"")
    program(folder, "gcloud", "exit 0")
    result = process.run(
        ["bash", folder / SCRIPT, "--list"], env={"PATH": f"{folder}:/usr/bin:/bin"}, deadline=20
    )
    assert result.code == 1
    return [line.split()[1] for line in result.out.splitlines()]


def test_script_asks_for_what_is_handed_over_where_it_stands(tmp_path: Path) -> None:
    """A Secret that makes way for an ExternalSecret in its own file is asked for, too."""
    stage = fixed(monorepo(**{"k8s/board/all.yaml": WRITTEN_OUT}))
    assert "kind: ExternalSecret" in (stage.read("k8s/board/all.yaml") or b"").decode()
    assert asked(stage, tmp_path) == ["farmiq-prod-board-password", "farmiq-prod-jwt-secret"]


def test_script_asks_for_what_the_tree_itself_takes_from_the_store(tmp_path: Path) -> None:
    """Any folder and any form count; another store's, and keys of other objects, do not."""
    held = {
        "deploy/board/ours.yaml": READS_STORE.format(name="mine", store="gcp-secret-manager"),
        f"{FOLDER}/extra.yaml": READS_STORE.format(name="more", store="gcp-secret-manager"),
        "deploy/board/other.yaml": READS_STORE.format(name="far", store="another"),
    }
    assert asked(fixed(monorepo(**held)), tmp_path) == [
        "board-mine",
        "board-mine-second",
        "board-more",
        "board-more-second",
        "farmiq-prod-jwt-secret",
    ]


@pytest.mark.needs("shellcheck")
def test_script_that_reads_other_files_is_clean(tmp_path: Path) -> None:
    """The longer form of the script is as clean as the short one."""
    stage = fixed(monorepo(**{"k8s/board/all.yaml": WRITTEN_OUT}))
    (tmp_path / "s.sh").write_bytes(stage.read(SCRIPT) or b"")
    result = process.run(["shellcheck", tmp_path / "s.sh"])
    assert (result.out, result.code) == ("", 0)


def test_script_names_no_other_file_when_none_asks(tmp_path: Path) -> None:
    """Without such a file it reads its own folder."""
    stage = fixed(monorepo())
    assert "awk" not in (stage.read(SCRIPT) or b"").decode()
    assert asked(stage, tmp_path) == ["farmiq-prod-jwt-secret"]


NIGHTLY = """apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly-copy, namespace: farmiq-cloud-prod}
spec:
  jobTemplate:
    spec:
      template:
        spec:
          containers:
            - name: copy
              env:
                - {name: STORE_USER, value: farmiq_copies}
                - {name: STORE_PASSWORD_FILE, value: /credentials/password}
          volumes:
            - name: credentials
              secret: {secretName: herd-login, items: [{key: STORE_PASSWORD, path: password}]}
"""
EXAMPLE = "cloud-layer/cloud-herd/.env.example"
SHARED = "STORE_USER=farmiq\nSTORE_PASSWORD=\n"


def keys(stage: Overlay) -> list[str]:
    """Return the remote keys of the services' manifests."""
    found = (path for path in stage.paths() if path.name.endswith("-external-secret.yaml"))
    lines = (line for path in found for line in (stage.read(path) or b"").decode().splitlines())
    return sorted({line.split()[1] for line in lines if line.strip().startswith("key: ")})


def test_role_of_a_job_alone_has_a_password_of_its_own() -> None:
    """The services' role and the job's would else be opened by one value."""
    stage = fixed(monorepo(**{EXAMPLE: SHARED, "k8s/nightly.yaml": NIGHTLY}))
    assert keys(stage) == ["farmiq-prod-store-copies-password", "farmiq-prod-store-password"]
    assert GAP.fix(stage) == ()


def test_role_of_a_job_alone_keeps_it_where_a_manifest_wrote_it_out() -> None:
    """A password that is handed over is as much the job's own."""
    written = (
        "---\napiVersion: v1\nkind: Secret\nmetadata: {name: herd-login, "
        "namespace: farmiq-cloud-prod}\nstringData: {STORE_PASSWORD: Tr1cky-Copy-Pass}\n"
    )
    stage = fixed(monorepo(**{EXAMPLE: SHARED, "k8s/nightly.yaml": NIGHTLY + written}))
    assert (
        "key: farmiq-prod-store-copies-password" in (stage.read("k8s/nightly.yaml") or b"").decode()
    )
    assert keys(stage) == ["farmiq-prod-store-password"]
    assert GAP.fix(stage) == ()


@pytest.mark.parametrize(
    "files",
    [
        {"k8s/nightly.yaml": NIGHTLY.replace("farmiq_copies", "farmiq")},
        {"k8s/nightly.yaml": NIGHTLY, "compose.yml": "# postgres://farmiq_copies:x@herd/herd\n"},
        {"k8s/nightly.yaml": NIGHTLY.replace("value: farmiq_copies", "valueFrom: {a: b}")},
        {
            "k8s/nightly.yaml": NIGHTLY,
            "k8s/weekly.yaml": NIGHTLY.replace("nightly-copy", "weekly").replace("-login", "-2"),
        },
        {"k8s/nightly.yaml": NIGHTLY.replace("nightly-copy", "cloud-herd")},
    ],
    ids=["services-role", "named-in-compose", "told-by-nobody", "of-two-jobs", "of-a-service"],
)
def test_role_that_others_sign_in_with_shares_their_password(files: dict[str, str]) -> None:
    """One role has one password, whoever reads it."""
    stage = fixed(monorepo(**{EXAMPLE: SHARED, **files}))
    assert keys(stage) == ["farmiq-prod-store-password"]


@pytest.mark.parametrize("provider", ["gcp", "vault"])
def test_script_makes_up_no_value_that_only_its_issuer_has(tmp_path: Path, provider: str) -> None:
    """A random key of a payment provider would be Ready in the cluster, and refused by it."""
    chosen = "[external-secrets]\n" + (VAULT if provider == "vault" else "")
    example = "JWT_SECRET=\nSTRIPE_SECRET_KEY=\nSTRIPED_BARN_SECRET=\n"
    more = {"cloud-layer/cloud-herd/.env.example": example, "closeout.toml": chosen}
    stage = fixed(monorepo(**more))
    for path in stage.paths():
        if path.parts[0] == "k8s":
            place = tmp_path / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(stage.read(path) or b"")
    kept = f"cat >> {tmp_path}/kept; echo >> {tmp_path}/kept"
    program(tmp_path, "gcloud", f'case "$3" in add) {kept};; describe) exit 1;; esac')
    program(tmp_path, "vault", f'case "$2" in put) {kept};; *) exit 1;; esac')
    result = process.run(
        ["bash", tmp_path / SCRIPT],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        stdin=b"\n\n\n",
        deadline=20,
    )
    assert (result.code, "1 are missing still" in result.err) == (1, True), result.err
    told = [line.split() for line in result.out.splitlines() if line]
    left = [key for word, key in told if word == "left"]
    assert [key.endswith("-stripe-secret-key") for key in left] == [True]
    assert len([key for word, key in told if word == "created"]) == 2
    assert [len(value) for value in (tmp_path / "kept").read_text("utf-8").split()] == [64, 64]
