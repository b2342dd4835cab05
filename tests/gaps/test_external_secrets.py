"""Gap 10: the operator, its store, and an ExternalSecret entry for every secret."""

from __future__ import annotations

import time
from pathlib import Path, PurePosixPath

import pytest

from closeout import process
from closeout.engine import rules
from closeout.formats.manifests import validate_together
from closeout.fs.tree import DiskTree, MemoryTree, Overlay
from closeout.gaps import factory_secret
from closeout.gaps.backup.probing.cluster import QUESTIONS as OF_BACKUPS
from closeout.gaps.external_secrets import GAP
from closeout.gaps.external_secrets.inventory import inventory
from closeout.gaps.external_secrets.probing.cluster import QUESTIONS as OF_SECRETS
from closeout.harness import cluster
from closeout.model import Changeset, Finding, Gap, GateContext, Row, Source, Tree
from closeout.resources import BUNDLE
from tests.support.recorded_cluster import (
    CONSUMERS,
    ENTRY,
    HEALTHY,
    program,
    recorded_api,
    row,
    workload,
)

FOLDER = "k8s/external-secrets"
COMPOSE = b"""services:
  cloud-api-gateway-bff:
    environment:
      JWT_SECRET: ${JWT_SECRET}
      DATABASE_URL: postgresql://farmiq:${POSTGRES_PASSWORD:?}@postgres/bff
      TOKEN_TTL: 15m
  cloud-tenant-registry:
    environment:
      - DEVICE_FACTORY_SECRET=${DEVICE_FACTORY_SECRET:?}
      - JWT_SECRET=${JWT_SECRET}
"""
ORDERS_STORE = b"""apiVersion: external-secrets.io/v1beta1
kind: ClusterSecretStore
metadata:
  name: gcp-secret-manager
spec:
  provider:
    gcpsm:
      projectID: farmiq-prod
      auth:
        workloadIdentity:
          clusterLocation: asia-southeast1
          clusterName: farmiq-prod
          serviceAccountRef:
            name: external-secrets-sa
            namespace: external-secrets
"""
ORDERS_ENTRY = b"""apiVersion: external-secrets.io/v1beta1
kind: ExternalSecret
metadata:
  name: cloud-api-gateway-bff-secrets
  namespace: farmiq-cloud-prod
spec:
  refreshInterval: 1h
  secretStoreRef:
    kind: ClusterSecretStore
    name: gcp-secret-manager
  target:
    name: cloud-api-gateway-bff-secrets
    creationPolicy: Owner
  data:
  - secretKey: JWT_SECRET
    remoteRef:
      key: farmiq-prod-jwt-secret
"""
ORDERS_SCRIPT = b"""#!/bin/sh
# helm install external-secrets is what we do
helm install external-secrets external-secrets/external-secrets \\
  -n external-secrets --create-namespace
"""


def _tree(**more: bytes) -> MemoryTree:
    files = {"cloud-layer/docker-compose.yml": COMPOSE, "k8s/ingress.yaml": b"kind: Ingress\n"}
    for folder in ("cloud-api-gateway-bff", "cloud-tenant-registry"):
        files[f"cloud-layer/{folder}/package.json"] = b"{}"
    return MemoryTree(files | more)


def _findings(tree: Tree) -> tuple[Finding, ...]:
    return tuple(finding for check in rules.checks(GAP, tree) for finding in check.findings)


def _unresolved(tree: Tree) -> list[str]:
    return [item.detail for check in rules.checks(GAP, tree) for item in check.unresolved]


def _fixed(tree: Tree, gap: Gap = GAP) -> Overlay:
    overlay = Overlay(tree)
    for changeset in gap.fix(tree):
        for edit in changeset.edits:
            overlay.lay(edit)
    return overlay


def _replaced(tree: Overlay, name: str, old: str, new: str) -> MemoryTree:
    files = {str(path): tree.read(path) or b"" for path in tree.paths()}
    path = f"{FOLDER}/{name}"
    assert old.encode() in files[path]
    files[path] = files[path].replace(old.encode(), new.encode(), 1)
    return MemoryTree(files)


@pytest.fixture(scope="module")
def reference() -> DiskTree:
    """Return the reference monorepo, before the order."""
    return DiskTree(BUNDLE / "reference" / "farmiq")


@pytest.fixture(scope="module")
def fixed(reference: DiskTree) -> Overlay:
    """Return the reference monorepo with the edits of this gap over those of the secrets' one.

    That one, earlier in the order, takes the fallbacks out of the code.
    """
    return _fixed(_fixed(reference, factory_secret.GAP))


def test_detect_names_what_the_order_lists_when_nothing_is_there() -> None:
    """No operator, no store, and each variable without an entry; the BFF's two are named."""
    written = COMPOSE.replace(b"${POSTGRES_PASSWORD:?}", b"farmiq_dev")
    found = _findings(_tree(**{"cloud-layer/docker-compose.yml": written}))
    assert [(item.criterion, item.named) for item in found[:2]] == [("10.1", True), ("10.2", True)]
    assert [(item.message.split()[0], item.named) for item in found[2:]] == [
        ("JWT_SECRET", True),
        ("DATABASE_URL", True),
        ("DEVICE_FACTORY_SECRET", False),
        ("JWT_SECRET", False),
        ("DATABASE_URL", False),
    ]
    assert "farmiq_dev" not in repr(found)


def test_derive_closes_the_gap_when_the_reference_is_open(
    reference: DiskTree, fixed: Overlay
) -> None:
    """After the fix nothing is found, something was examined, and a second fix is empty."""
    assert _findings(reference)
    assert not _findings(fixed)
    assert all(check.examined and not check.unresolved for check in rules.checks(GAP, fixed))
    assert GAP.fix(fixed) == ()


def test_derive_gives_every_variable_exactly_one_entry(fixed: Overlay) -> None:
    """The entries of the rendered manifests are the inventory, no more and no less."""
    entries = []
    for path in fixed.paths():
        if path.name.endswith("-external-secret.yaml"):
            text = (fixed.read(path) or b"").decode()
            service = path.name.removesuffix("-external-secret.yaml")
            lines = [line.split(": ")[1] for line in text.splitlines() if "secretKey:" in line]
            entries += [(service, name) for name in lines]
    assert sorted(entries) == [(item.service, item.name) for item in inventory(fixed)]


def test_derive_renders_manifests_that_strict_schemas_accept(fixed: Overlay) -> None:
    """Every rendered manifest passes, alone and together."""
    files = {
        path: fixed.read(path) or b""
        for path in fixed.paths()
        if path.is_relative_to(FOLDER) and path.suffix == ".yaml"
    }
    assert len(files) > 5
    assert validate_together(files) == ()


def test_derive_uses_the_orders_names() -> None:
    """Store, namespace and remote keys are the ones that the order prints."""
    tree = _fixed(_tree())
    store = (tree.read(f"{FOLDER}/cluster-secret-store.yaml") or b"").decode()
    entry = (tree.read(f"{FOLDER}/cloud-api-gateway-bff-external-secret.yaml") or b"").decode()
    other = (tree.read(f"{FOLDER}/cloud-tenant-registry-external-secret.yaml") or b"").decode()
    for text in ("name: gcp-secret-manager", "projectID: farmiq-prod", "asia-southeast1"):
        assert text in store
    for text in ("key: farmiq-prod-jwt-secret\n", "key: farmiq-prod-bff-database-url\n"):
        assert text in entry
    assert "namespace: farmiq-cloud-prod" in entry
    assert "key: farmiq-prod-device-factory-secret\n" in other
    assert "key: farmiq-prod-jwt-secret\n" in other


def test_derive_puts_edge_services_where_their_manifests_do() -> None:
    """A service's own manifests decide the namespace; the store then serves it too."""
    compose = b"services:\n  edge-a:\n    environment:\n      MQTT_PASSWORD: ${P}\n"
    home = (
        b"apiVersion: v1\nkind: Service\nmetadata:\n  name: edge-a\n  namespace: barn\nspec: {}\n"
    )
    tree = _fixed(
        _tree(**{"edge-layer/docker-compose.yml": compose, "k8s/edge-a/service.yaml": home})
    )
    entry = tree.read(f"{FOLDER}/edge-a-external-secret.yaml") or b""
    store = tree.read(f"{FOLDER}/cluster-secret-store.yaml") or b""
    assert b"namespace: barn\n" in entry
    assert b"- barn\n" in store
    assert not _findings(tree)


def test_derive_provides_what_a_workload_reads() -> None:
    """A Secret that a manifest reads by key gets an entry; a certificate's does not."""
    job = b"""apiVersion: v1
kind: Pod
metadata: {name: backup, namespace: farmiq-cloud-prod}
spec:
  containers:
    - name: backup
      image: backup:1
      env:
        - name: PGPASSWORD
          valueFrom: {secretKeyRef: {name: postgres-credentials, key: POSTGRES_PASSWORD}}
        - name: EXTRA
          valueFrom: {secretKeyRef: {name: cloud-tenant-registry-secrets, key: EXTRA_TOKEN}}
  volumes:
    - name: tls
      secret: {secretName: broker-tls, items: [{key: tls.crt, path: tls.crt}]}
"""
    tree = _tree(**{"k8s/backup.yaml": job})
    found = [item.message for item in _findings(tree) if item.path.name == "backup.yaml"]
    fixed = _fixed(tree)
    entry = fixed.read(f"{FOLDER}/postgres-credentials-external-secret.yaml") or b""
    assert sorted(message.split()[2] for message in found) == ["EXTRA_TOKEN", "POSTGRES_PASSWORD"]
    assert b"    name: postgres-credentials\n    creationPolicy: Owner" in entry
    assert not _findings(fixed)
    assert GAP.fix(fixed) == ()


def test_derive_mends_the_orders_own_manifests_in_place() -> None:
    """An unserved version, missing conditions, entries and flags are spliced; the rest stays."""
    tree = _tree(
        **{
            "infra/store.yaml": ORDERS_STORE.replace(b"\n", b"\r\n"),
            "infra/bff.yaml": ORDERS_ENTRY,
            "infra/install.sh": ORDERS_SCRIPT,
        }
    )
    changesets = GAP.fix(tree)
    fixed = _fixed(tree)
    store, entry = fixed.read("infra/store.yaml") or b"", fixed.read("infra/bff.yaml") or b""
    script = fixed.read("infra/install.sh") or b""
    assert [item.source for item in changesets] == [Source.CODE] * 3 + [Source.TEMPLATE]
    assert store.startswith(b"apiVersion: external-secrets.io/v1\r\nkind")
    assert b"  conditions:\r\n    - namespaces:\r\n        - farmiq-cloud-prod\r\n  prov" in store
    assert store.count(b"\n") == store.count(b"\r\n")
    assert entry.endswith(
        b"  - secretKey: DATABASE_URL\n    remoteRef:\n      key: farmiq-prod-bff-database-url\n"
    )
    assert b"helm upgrade --install --version 1.3.2 --wait external-secrets" in script
    assert b"# helm install external-secrets is what we do\n" in script
    assert fixed.read(f"{FOLDER}/install.sh") is None
    assert not _findings(fixed)
    assert GAP.fix(fixed) == ()


def test_derive_adds_an_entry_when_a_variable_comes_later(fixed: Overlay) -> None:
    """A new service's manifest is rendered and listed; other manifests keep their bytes."""
    files = {str(path): fixed.read(path) or b"" for path in fixed.paths()}
    files["cloud-layer/cloud-new/.env.example"] = b"NEW_API_KEY=\n"
    tree = MemoryTree(files)
    (changeset,) = GAP.fix(tree)
    assert [edit.path.name for edit in changeset.edits] == [
        "cloud-new-external-secret.yaml",
        "kustomization.yaml",
    ]
    assert not _findings(_fixed(tree))


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("cluster-secret-store.yaml", "secrets.io/v1\n", "secrets.io/v1beta1\n", "not served"),
        ("cluster-secret-store.yaml", "projectID:", "projectId:", "unknown field"),
        ("cluster-secret-store.yaml", "-secrets-sa", "-secrets-other", "declares the service"),
        ("cluster-secret-store.yaml", "- farmiq-cloud-prod", "- elsewhere", "does not serve"),
        ("cloud-identity-access-external-secret.yaml", ": Owner", ": Own", "'Own'"),
        ("cloud-identity-access-external-secret.yaml", "gcp-secret", "gcp", "no manifest declares"),
        ("cloud-identity-access-external-secret.yaml", "farmiq-cloud-prod", "x", "does not serve"),
        (
            "cloud-identity-access-external-secret.yaml",
            "- secretKey: JWT_S",
            "- secretKey: A",
            "JWT_SECRET of",
        ),
        (
            "cloud-identity-access-external-secret.yaml",
            "JWT_REFRESH_SECRET",
            "JWT_SECRET",
            "2 entries",
        ),
        ("kustomization.yaml", "  - cluster-secret-store.yaml\n", "", "never applied"),
        ("install.sh", "upgrade --install", "install", "run again"),
        ("install.sh", '  --version "$version" \\\n', "", "newest"),
        ("install.sh", "  --wait --timeout 5m", "  --timeout 5m", "before the operator runs"),
    ],
)
def test_detect_finds_it_when_one_thing_is_broken(
    fixed: Overlay, name: str, old: str, new: str, message: str
) -> None:
    """Each sort of damage to the rendered folder is a finding that says so."""
    broken = _replaced(fixed, name, old, new)
    assert any(message in item.message for item in _findings(broken))


def test_detect_finds_every_entry_when_a_manifest_is_deleted(fixed: Overlay) -> None:
    """A deleted ExternalSecret leaves its service's variables uncovered."""
    path = PurePosixPath(f"{FOLDER}/cloud-billing-service-external-secret.yaml")
    files = {str(item): fixed.read(item) or b"" for item in fixed.paths() if item != path}
    found = [item.message for item in _findings(MemoryTree(files))]
    expected = sum(item.service == "cloud-billing-service" for item in inventory(fixed))
    assert sum("of cloud-billing-service has no" in message for message in found) == expected > 0
    assert [message for message in found if "has no" not in message] == [
        f"{path.name} is listed, and neither manifest nor kustomization"
    ]


def test_detect_leaves_another_way_alone_when_it_is_whole() -> None:
    """Near miss: Vault, a deployment controller and templated keys are no findings."""
    store = (
        b"apiVersion: external-secrets.io/v1\nkind: ClusterSecretStore\nmetadata: {name: vault}\n"
        b"spec:\n  conditions: [{namespaces: [farmiq-cloud-prod]}]\n"
        b"  provider:\n    vault: {server: 'https://vault:8200', path: farmiq, version: v2}\n"
    )
    release = (
        b"apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: eso}\n"
        b"spec:\n  source: {chart: external-secrets, targetRevision: 1.3.2}\n"
    )
    entries = b"".join(
        b"---\napiVersion: external-secrets.io/v1\nkind: ExternalSecret\n"
        b"metadata: {name: %s, namespace: farmiq-cloud-prod}\n"
        b"spec:\n  secretStoreRef: {kind: ClusterSecretStore, name: vault}\n"
        b"  target: {template: {data: {JWT_SECRET: '{{ .a }}', %s: '{{ .b }}'}}}\n"
        b"  data: [{secretKey: a, remoteRef: {key: a}}, {secretKey: b, remoteRef: {key: b}}]\n"
        % (service, variable)
        for service, variable in (
            (b"cloud-api-gateway-bff", b"DATABASE_URL"),
            (b"cloud-tenant-registry", b"DEVICE_FACTORY_SECRET"),
        )
    )
    tree = _tree(
        **{"gitops/store.yaml": store, "gitops/app.yaml": release, "gitops/entries.yaml": entries}
    )
    assert not _findings(tree)
    assert GAP.fix(tree) == ()


def test_detect_says_blocked_when_a_manifest_does_not_parse() -> None:
    """A broken or opaque manifest is unresolved, never an exception and never a pass."""
    opaque = ORDERS_ENTRY.replace(b"v1beta1", b"v1").split(b"  data:")[0] + (
        b"  dataFrom:\n  - extract:\n      key: all-of-it\n"
    )
    tree = _tree(
        **{"k8s/a.yaml": b"apiVersion: external-secrets.io/v1\nkind: [\n", "k8s/b.yaml": opaque}
    )
    assert any("is not YAML" in detail for detail in _unresolved(tree))
    assert any("cannot be read here" in detail for detail in _unresolved(tree))


def test_derive_refuses_when_another_file_stands_in_the_place() -> None:
    """A foreign file is never overwritten: the place is unresolved."""
    path = f"{FOLDER}/service-account.yaml"
    changesets: tuple[Changeset, ...] = GAP.fix(_tree(**{path: b"kind: Other\n"}))
    unresolved = [str(item.path) for each in changesets for item in each.unresolved]
    assert unresolved == [path]
    assert all(str(edit.path) != path for each in changesets for edit in each.edits)


def test_derive_is_stable_and_quick_when_there_are_200_services() -> None:
    """Two hundred services render in under two seconds of a core, twice the same."""
    tree = MemoryTree(
        {f"cloud-layer/s{n:03}/.env.example": b"JWT_SECRET=\nDATABASE_URL=\n" for n in range(200)}
        | {"k8s/ingress.yaml": b"kind: Ingress\n"}
    )
    started = time.process_time()
    first = GAP.fix(tree)
    assert time.process_time() - started < 2
    assert first == GAP.fix(tree)
    assert len(first[0].edits) > 200


@pytest.mark.needs("shellcheck")
def test_derive_renders_scripts_that_shellcheck_accepts(fixed: Overlay, tmp_path: Path) -> None:
    """The four scripts are executable and clean."""
    scripts = [edit for edit in fixed.edits if edit.path.suffix == ".sh"]
    for edit in scripts:
        (tmp_path / edit.path.name).write_bytes(edit.after)
    result = process.run(["shellcheck", *sorted(tmp_path.glob("*.sh"))])
    assert (result.out, result.code) == ("", 0)
    assert [edit.mode for edit in scripts] == [0o755] * 4


def test_create_remote_secrets_prints_no_value_when_it_creates_them(
    fixed: Overlay, tmp_path: Path
) -> None:
    """Values go to gcloud's standard input only: not into output, arguments or files."""
    script = tmp_path / "create-remote-secrets.sh"
    script.write_bytes(fixed.read(f"{FOLDER}/{script.name}") or b"")
    entry = "cloud-identity-access-external-secret.yaml"
    (tmp_path / entry).write_bytes(fixed.read(f"{FOLDER}/{entry}") or b"")
    tools = tmp_path / "tools"
    tools.mkdir()
    program(
        tools,
        "gcloud",
        f'echo "$*" >> {tmp_path}/calls\n'
        f'case "$3" in add) cat >> {tmp_path}/kept; echo >> {tmp_path}/kept;; '
        "describe) exit 1;; esac",
    )
    path = {"PATH": f"{tools}:/usr/bin:/bin"}
    asked = b"refresh-value\n\npostgres-value\n"
    result = process.run(["bash", script], env=path, stdin=asked, deadline=20)
    assert result.code == 0, result.err
    kept = (tmp_path / "kept").read_text("utf-8").split()
    calls = (tmp_path / "calls").read_text("utf-8")
    assert kept[::2] == ["refresh-value", "postgres-value"]
    assert len(kept[1]) == 64
    assert all(value not in result.out + result.err + calls for value in kept)
    assert result.out.count("created  farmiq-prod-") == 3
    listed = process.run(["bash", script, "--list"], env=path, deadline=20)
    assert (listed.code, "3 are missing" in listed.err) == (1, True)


QUESTIONS = (*OF_SECRETS, *OF_BACKUPS)


def _verified(kubectl: str) -> tuple[Row, ...]:
    """Return what the gate `cluster` says, by way of the program `kubectl`."""
    context = GateContext(root=Path(), scratch=Path(), cache=Path())
    return tuple(cluster.gate(QUESTIONS, kubectl).run(context))


def test_verify_passes_when_the_cluster_is_whole(tmp_path: Path) -> None:
    """A cluster where everything runs and syncs answers every question with yes."""
    kubectl = recorded_api(tmp_path, HEALTHY)
    assert [item[2].passed for item in _verified(kubectl)] == [True] * len(QUESTIONS)


@pytest.mark.parametrize(
    ("resource", "answer", "probe", "observed"),
    [
        ("externalsecrets", {"items": []}, "entries-synced", "holds no ExternalSecret"),
        (
            "externalsecrets",
            {"items": [row("a"), row("b", ready="False")]},
            "entries-synced",
            "farmiq-cloud-prod/b is not synced: SecretSyncedError",
        ),
        ("externalsecrets", {"items": [row("a", minutes=121)]}, "entries-synced", "last synced"),
        (
            "externalsecrets",
            {"items": [row("a", minutes=181) | {"spec": {"refreshInterval": "1h30m0s"}}]},
            "entries-synced",
            "last synced",
        ),
        ("clustersecretstore", {"metadata": {"name": "s"}}, "store-ready", "no condition yet"),
        (
            "customresourcedefinition",
            {"spec": {"versions": [{"name": "v1beta1", "served": True}]}},
            "api-served",
            "serves v1beta1, not v1",
        ),
        ("deployments", {"items": []}, "operator-runs", "no deployment"),
        (
            CONSUMERS,
            {"items": [ENTRY, workload("a", "JWT_SECRET", "API_TOKEN")]},
            "consumers-read",
            "Deployment farmiq-cloud-prod/a reads API_TOKEN of a-secrets, which no entry provides",
        ),
        (
            CONSUMERS,
            {"items": [ENTRY, workload("a", "JWT_SECRET", available="False")]},
            "consumers-read",
            "farmiq-cloud-prod/a is not available",
        ),
        (CONSUMERS, {"items": [ENTRY, workload("a")]}, "consumers-read", "no workload reads"),
        (
            "cronjob",
            {"spec": {"schedule": "0 2 * * *", "suspend": True}},
            "cronjob-present",
            "suspended",
        ),
    ],
)
def test_verify_fails_when_the_cluster_says_no(
    tmp_path: Path, resource: str, answer: object, probe: str, observed: str
) -> None:
    """Partial sync, stale sync and missing parts are failures that name the part."""
    kubectl = recorded_api(tmp_path, HEALTHY | {resource: answer})
    (found,) = [each for name, _, each in _verified(kubectl) if name.endswith(probe)]
    assert found.passed is False
    assert observed in found.observed


@pytest.mark.parametrize(
    "spec",
    [
        {"refreshInterval": "1h30m0s"},
        {"refreshInterval": "0s"},
        {"refreshInterval": "1h0m0s", "refreshPolicy": "CreatedOnce"},
    ],
)
def test_verify_passes_when_no_refresh_was_due(tmp_path: Path, spec: dict[str, str]) -> None:
    """Three hours less a minute are two refreshes of an hour and a half; some have none at all."""
    late = {"items": [row("a", minutes=179) | {"spec": spec}]}
    kubectl = recorded_api(tmp_path, HEALTHY | {"externalsecrets": late})
    (found,) = [each for name, _, each in _verified(kubectl) if name.endswith("entries-synced")]
    assert found.passed


def test_verify_fails_when_the_api_answers_not_found(tmp_path: Path) -> None:
    """A cluster that is there and holds nothing is a failed observation."""
    kubectl = recorded_api(tmp_path, {})
    assert [item[2].passed for item in _verified(kubectl)] == [False] * len(QUESTIONS)


@pytest.mark.parametrize(
    ("body", "observed"),
    [
        ("echo 'Error from server (Forbidden): no' >&2; exit 1", "Forbidden"),
        ("echo 'The connection to the server was refused' >&2; exit 1", "refused"),
        ("echo 'not json'", "not what the cluster's API promises"),
        ("echo '[]'", "not what the cluster's API promises"),
        ('echo \'{"items": [7], "spec": 3, "status": 1}\'', "not what the cluster's API"),
        ("sleep 30", "no answer within"),
    ],
)
def test_verify_is_unproven_when_the_api_is_hostile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, observed: str
) -> None:
    """No permission, no connection, no JSON and no answer settle nothing."""
    monkeypatch.setattr(cluster, "DEADLINE", 0.2 if "sleep" in body else 5.0)
    kubectl = str(program(tmp_path, "kubectl", body))
    for name, _, item in _verified(kubectl):
        assert item.passed is None, name
        assert observed in item.observed
        assert item.command.startswith(f"{kubectl} get ")


def test_verify_is_unproven_when_kubectl_is_missing(tmp_path: Path) -> None:
    """A missing tool is never a pass and never a failure of the cluster."""
    answers = [item[2] for item in _verified(str(tmp_path / "kubectl"))]
    assert {item.passed for item in answers} == {None}
