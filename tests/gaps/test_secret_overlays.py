"""Overlays move secrets only where their readers are: into namespaces that an environment has."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from closeout.formats import kustomize
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps.external_secrets import GAP

OVERLAYS = PurePosixPath("k8s/overlays/external-secrets")
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: NAME}\n"
READER = """apiVersion: apps/v1
kind: Deployment
metadata: {name: cloud-herd, namespace: NAME}
spec:
  template:
    spec:
      containers:
        - name: herd
          env:
            - name: JWT_SECRET
              valueFrom: {secretKeyRef: {name: herd, key: JWT_SECRET}}
"""
ELSEWHERE = """apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: herd-dev, namespace: argocd}
spec:
  source: {repoURL: x, path: charts/herd}
  destination: {namespace: NAME}
"""


def built(environment: str, **more: str) -> dict[str, list[str]]:
    """Return the names of what an overlay has: namespaces of secrets, those it makes, the store."""
    files = {
        "package.json": '{"name": "farmiq"}',
        "cloud-layer/cloud-herd/.env.example": "JWT_SECRET=\n",
        "cloud-layer/cloud-herd/package.json": '{"name": "cloud-herd"}',
        **{name.replace("__", "/") + ".yaml": text for name, text in more.items()},
    }
    tree = MemoryTree({name: text.encode() for name, text in files.items()})
    stage = Overlay(tree)
    for changeset in GAP.fix(tree):
        for edit in changeset.edits:
            stage.lay(edit)
    made = kustomize.read(stage, OVERLAYS / environment / "kustomization.yaml")
    assert made.problems == ()
    assert GAP.fix(stage) == ()
    secrets = [item for item in made.objects if item["kind"] == "ExternalSecret"]
    stores = [item for item in made.objects if item["kind"] == "ClusterSecretStore"]
    return {
        "secrets": [item["metadata"]["namespace"] for item in secrets],
        "served": stores[0]["spec"]["conditions"][0]["namespaces"],
        "made": [item["metadata"]["name"] for item in made.objects if item["kind"] == "Namespace"],
        "stores": [item["spec"]["secretStoreRef"]["name"] for item in secrets],
    }


@pytest.mark.parametrize("environment", ["dev", "staging"])
@pytest.mark.parametrize("is_declared", [True, False])
def test_secrets_stay_with_a_workload_that_no_environment_moves(
    environment: str, *, is_declared: bool
) -> None:
    """Its namespace is the tree's, and no manifest has another; the store is the environment's."""
    more = {"k8s__ns": NAMESPACE.replace("NAME", "herd")} if is_declared else {}
    found = built(environment, k8s__herd=READER.replace("NAME", "herd"), **more)
    assert found["secrets"] == found["served"] == ["herd"]
    assert f"herd-{environment}" not in found["made"]
    assert found["stores"] == [f"gcp-secret-manager-{environment}"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"k8s__herd": READER.replace("NAME", "herd-prod")}, "herd-dev"),
        (
            {
                "k8s__herd": READER.replace("NAME", "herd"),
                "k8s__dev": NAMESPACE.replace("NAME", "herd-dev"),
            },
            "herd-dev",
        ),
        (
            {
                "k8s__herd": READER.replace("NAME", "herd"),
                "k8s__app": ELSEWHERE.replace("NAME", "herd-dev"),
            },
            "herd-dev",
        ),
    ],
    ids=["named-after-production", "declared", "deployed-to"],
)
def test_secrets_move_where_the_environment_has_a_namespace(
    files: dict[str, str], expected: str
) -> None:
    """The production name says so, a manifest makes it, or a controller deploys to it."""
    found = built("dev", **files)
    assert found["secrets"] == found["served"] == [expected]


def test_secrets_move_into_a_namespace_that_the_overlay_makes() -> None:
    """Nothing of the tree runs there: production's is made by the base, and each other's too."""
    found = built("dev", k8s__other="apiVersion: v1\nkind: Service\nmetadata: {name: a}\n")
    assert found["secrets"] == found["served"] == ["farmiq-cloud-dev"]
    assert "farmiq-cloud-dev" in found["made"]


BOARD = """apiVersion: v1
kind: Secret
metadata: {name: board-login, namespace: NAME}
stringData: {board-password: Tr1cky-Board-Pass}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: board, namespace: NAME}
spec:
  template:
    spec:
      containers:
        - name: board
          env:
            - name: BOARD_PASSWORD
              valueFrom: {secretKeyRef: {name: board-login, key: board-password}}
"""
BUILDS = "kind: Kustomization\nresources: [all.yaml]\n"
ABOVE = "kind: Kustomization\nresources: [../board]\n"


def handed(**more: str) -> Overlay:
    """Return a tree whose board has a Secret written out, after one fix."""
    files = {
        "package.json": '{"name": "farmiq"}',
        "cloud-layer/cloud-herd/.env.example": "JWT_SECRET=\n",
        "cloud-layer/cloud-herd/package.json": '{"name": "cloud-herd"}',
        "k8s/board/all.yaml": BOARD.replace("NAME", "farm-board"),
        **{name.replace("__", "/") + ".yaml": text for name, text in more.items()},
    }
    stage = Overlay(MemoryTree({name: text.encode() for name, text in files.items()}))
    for changeset in GAP.fix(stage):
        for edit in changeset.edits:
            stage.lay(edit)
    assert GAP.fix(stage) == ()
    return stage


@pytest.mark.parametrize("environment", ["dev", "staging"])
def test_environment_does_not_read_the_store_of_production_elsewhere(environment: str) -> None:
    """What is handed over where it stands gets an overlay over its own folder."""
    stage = handed(k8s__board__kustomization=BUILDS)
    path = PurePosixPath("k8s/overlays/board") / environment / "kustomization.yaml"
    made = kustomize.read(stage, path)
    assert made.problems == ()
    secret = next(item for item in made.objects if item["kind"] == "ExternalSecret")
    assert secret["spec"]["secretStoreRef"]["name"] == f"gcp-secret-manager-{environment}"
    assert secret["spec"]["refreshInterval"] == {"dev": "15m", "staging": "30m"}[environment]
    main = stage.read(OVERLAYS / environment / "kustomization.yaml") or b""
    assert b"Not built by this overlay" not in main


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"k8s__board__kustomization": "kind: Kustomization\nresources: [other.yaml]\n"},
        {"k8s__board__kustomization": BUILDS, "k8s__qa__kustomization": ABOVE},
        {
            "k8s__board__kustomization": BUILDS,
            "k8s__board__all": BOARD.replace("NAME", "farm-board-prod"),
        },
        {
            "k8s__board__kustomization": BUILDS,
            "k8s__overlays__board__dev__kustomization": "kind: Kustomization\nresources: []\n",
        },
    ],
    ids=["not-built", "not-listed", "built-on", "moved", "taken"],
)
def test_overlay_tells_what_asks_the_store_of_production_elsewhere(files: dict[str, str]) -> None:
    """An owner's way of building it is not guessed."""
    stage = handed(**files)
    assert stage.read("k8s/overlays/board/staging/kustomization.yaml") is None
    for environment in ("dev", "staging"):
        text = (stage.read(OVERLAYS / environment / "kustomization.yaml") or b"").decode()
        assert "# Not built by this overlay: k8s/board/all.yaml asks gcp-secret-manager," in text
    production = stage.read(OVERLAYS / "production" / "kustomization.yaml") or b""
    assert b"Not built" not in production


def test_store_of_the_namespace_itself_is_not_patched() -> None:
    """It is the owner's, and no environment has another one."""
    own = (
        "apiVersion: external-secrets.io/v1\nkind: SecretStore\n"
        "metadata: {name: own, namespace: farm-board}\n"
        "spec: {provider: {gcpsm: {projectID: farm}}}\n"
    )
    stage = handed(k8s__board__kustomization=BUILDS, k8s__own=own)
    assert b"name: own" in (stage.read("k8s/board/all.yaml") or b"")
    assert stage.read("k8s/overlays/board/dev/kustomization.yaml") is None
    assert b"Not built" not in (stage.read(OVERLAYS / "dev" / "kustomization.yaml") or b"")
