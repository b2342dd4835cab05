"""Gap 10: environments, providers, the charts that consume the Secrets, and the scripts.

The scripts run under a real bash; helm, kubectl, gcloud and vault are stand-ins that only write
down what they are asked and answer from a script: they show what a script does, not a cluster.
"""

from __future__ import annotations

import itertools
from pathlib import Path, PurePosixPath

import pytest
import yaml

from closeout import process
from closeout.engine import rules
from closeout.errors import CloseoutError
from closeout.formats import kustomize
from closeout.formats.manifests import validate, validate_together
from closeout.fs.tree import DiskTree, MemoryTree, Overlay
from closeout.gaps.external_secrets import GAP
from closeout.model import Tree
from closeout.resources import BUNDLE

FOLDER = "k8s/external-secrets"
OVERLAYS = "k8s/overlays/external-secrets"
SERVICE = "cloud-layer/cloud-billing-service"
DEPLOYMENT = b"""apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Chart.Name }}
spec:
  template:
    metadata:
      labels:
        a: b
    spec:
      containers:
        - name: a
          env:
            - valueFrom: {secretKeyRef: {name: {{ .x }}, key: a}}
"""
VALUES = (
    b"secretEnv:\n  JWT_SECRET:\n    secret: cloud-billing-service-secrets\n    key: JWT_SECRET\n"
)
SHORE = b"""apiVersion: apps/v1
kind: Deployment
metadata: {name: shore-app, namespace: shore}
spec:
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a}}
    spec:
      containers:
        - name: a
          image: a
          env:
            - name: SHORE_TOKEN
              valueFrom: {secretKeyRef: {name: shore-app, key: token}}
"""
VAULT = b'[external-secrets]\nprovider = "vault"\nvault-server = "https://vault.test:8200"\n'


def _fixed(tree: Tree) -> Overlay:
    overlay = Overlay(tree)
    for changeset in GAP.fix(tree):
        for edit in changeset.edits:
            overlay.lay(edit)
    return overlay


def _chart(**more: bytes) -> MemoryTree:
    files = {
        "package.json": b'{"name": "farmiq"}',
        f"{SERVICE}/.env.example": b"JWT_SECRET=\nAPI_TOKEN=\n",
        f"{SERVICE}/helm/Chart.yaml": b"name: a\n",
        f"{SERVICE}/helm/values.yaml": VALUES,
        f"{SERVICE}/helm/templates/deployment.yaml": DEPLOYMENT,
    }
    return MemoryTree(files | more)


def _messages(tree: Tree, rule: str) -> list[str]:
    return [
        finding.message
        for check in rules.checks(GAP, tree)
        for finding in check.findings
        if check.rule == f"external-secrets.{rule}"
    ]


@pytest.fixture(scope="module")
def fixed() -> Overlay:
    """Return the reference monorepo with this gap's edits laid over it."""
    return _fixed(DiskTree(BUNDLE / "reference" / "farmiq"))


@pytest.mark.parametrize(
    ("environment", "project", "refresh"),
    [
        ("dev", "farmiq-dev", "15m"),
        ("staging", "farmiq-staging", "30m"),
        ("production", "farmiq-prod", "1h"),
    ],
)
def test_overlay_gives_whole_valid_objects_when_it_is_built(
    fixed: Overlay, environment: str, project: str, refresh: str
) -> None:
    """Namespaces, project, store and interval follow the environment; nothing else changes."""
    path = PurePosixPath(OVERLAYS) / environment / "kustomization.yaml"
    built = kustomize.read(fixed, path)
    word = "prod" if environment == "production" else environment
    assert built.problems == ()
    files = {
        PurePosixPath(f"{number}.yaml"): yaml.safe_dump(item).encode()
        for number, item in enumerate(built.objects)
    }
    assert validate_together(files) == ()
    assert validate(fixed.read(path) or b"") == ()
    (store,) = [item for item in built.objects if item["kind"] == "ClusterSecretStore"]
    secrets = [item for item in built.objects if item["kind"] == "ExternalSecret"]
    served = set(store["spec"]["conditions"][0]["namespaces"])
    assert store["spec"]["provider"]["gcpsm"]["projectID"] == project
    assert f"farmiq-cloud-{word}" in served == {item["metadata"]["namespace"] for item in secrets}
    assert {item["spec"]["secretStoreRef"]["name"] for item in secrets} == {
        store["metadata"]["name"]
    }
    assert {item["spec"]["refreshInterval"] for item in secrets} == {refresh}
    declared = {item["metadata"]["name"] for item in built.objects if item["kind"] == "Namespace"}
    assert served <= declared


def test_overlays_differ_in_every_value_that_names_an_environment(fixed: Overlay) -> None:
    """No two environments share a store, a namespace, a project or an account of Google's."""
    names = []
    for environment in ("dev", "staging", "production"):
        built = kustomize.read(fixed, PurePosixPath(OVERLAYS) / environment / "kustomization.yaml")
        store = next(item for item in built.objects if item["kind"] == "ClusterSecretStore")
        account = next(item for item in built.objects if item["kind"] == "ServiceAccount")
        names.append(
            {
                store["metadata"]["name"],
                store["spec"]["provider"]["gcpsm"]["projectID"],
                *store["spec"]["conditions"][0]["namespaces"],
                *account["metadata"]["annotations"].values(),
            }
        )
    assert not any(one & other for one, other in itertools.combinations(names, 2))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("../../../external-secrets", "../../external-secrets", "neither manifest nor"),
        ("namespace: farmiq-cloud-prod", "namespace: farmiq-cloud", "no object is the target"),
        ("/spec/refreshInterval", "/spec/refreshInterva", "has no /spec/refreshInterva to"),
    ],
)
def test_detect_finds_it_when_an_overlay_reaches_nothing(
    fixed: Overlay, old: str, new: str, message: str
) -> None:
    """A reference, a target or a field that is not there is a finding, named by its line."""
    path = f"{OVERLAYS}/dev/kustomization.yaml"
    files = {str(item): fixed.read(item) or b"" for item in fixed.paths()}
    files[path] = files[path].replace(old.encode(), new.encode(), 1)
    if "neither" in message:
        files[path] = files[path].replace(b"resources:\n", b"resources:\n  - ../production\n")
    assert any(message in text for text in _messages(MemoryTree(files), "kustomizations"))


def test_derive_renders_vault_when_the_monorepo_says_so() -> None:
    """Store, entries, account and scripts all speak to Vault, strictly valid; and only once."""
    tree = _chart(**{"closeout.toml": VAULT})
    fixed = _fixed(tree)
    files = {
        path: fixed.read(path) or b""
        for path in fixed.paths()
        if path.is_relative_to(FOLDER) and path.suffix == ".yaml"
    }
    store = yaml.safe_load(files[PurePosixPath(f"{FOLDER}/cluster-secret-store.yaml")])
    entry = yaml.safe_load(
        files[PurePosixPath(f"{FOLDER}/cloud-billing-service-external-secret.yaml")]
    )
    assert validate_together(files) == ()
    assert store["spec"]["provider"]["vault"] == {
        "server": "https://vault.test:8200",
        "path": "farmiq",
        "version": "v2",
        "auth": {
            "kubernetes": {
                "mountPath": "kubernetes",
                "role": "external-secrets",
                "serviceAccountRef": {
                    "name": "external-secrets-sa",
                    "namespace": "external-secrets",
                },
            }
        },
    }
    assert entry["spec"]["secretStoreRef"]["name"] == store["metadata"]["name"] == "vault"
    assert {row["remoteRef"]["property"] for row in entry["spec"]["data"]} == {"value"}
    assert b"gcloud" not in (fixed.read(f"{FOLDER}/create-remote-secrets.sh") or b"")
    dev = kustomize.read(fixed, PurePosixPath(f"{OVERLAYS}/dev/kustomization.yaml"))
    assert dev.problems == ()
    assert not any(check.findings for check in rules.checks(GAP, fixed))
    assert GAP.fix(fixed) == ()


def test_derive_uses_the_api_version_that_the_monorepo_declares() -> None:
    """The version is a value of the templates, v1 by default."""
    declared = b'[external-secrets]\napi-version = "external-secrets.io/v2"\nrefresh = "5m"\n'
    entry = _fixed(_chart(**{"closeout.toml": declared})).read(
        f"{FOLDER}/cloud-billing-service-external-secret.yaml"
    )
    assert b"apiVersion: external-secrets.io/v2\n" in (entry or b"")
    assert b"refreshInterval: 5m\n" in (entry or b"")


@pytest.mark.parametrize("line", ['provider = "aws"', 'projekt = "a"', 'refresh = "hourly"'])
def test_derive_refuses_a_declaration_that_its_schema_refuses(line: str) -> None:
    """A misspelt or impossible value is an error that names the file, never a default."""
    tree = _chart(**{"closeout.toml": f"[external-secrets]\n{line}\n".encode()})
    with pytest.raises(CloseoutError, match=r"closeout\.toml"):
        GAP.fix(tree)


def test_derive_rolls_a_chart_out_when_its_secret_changes() -> None:
    """The pod template carries the Secret's version, and the chart hands every secret on."""
    tree = _chart()
    fixed = _fixed(tree)
    workload = (fixed.read(f"{SERVICE}/helm/templates/deployment.yaml") or b"").decode()
    values = yaml.safe_load(fixed.read(f"{SERVICE}/helm/values.yaml") or b"")
    assert _messages(tree, "wiring") == [
        "its pods keep a secret's old value: nothing rolls them out when it changes",
        "does not hand API_TOKEN on",
    ]
    assert (
        "    metadata:\n      annotations:\n        secret-version/cloud-billing-service-secrets: "
        '{{ lookup "v1" "Secret" .Release.Namespace "cloud-billing-service-secrets" '
        '| dig "metadata" "resourceVersion" "absent" | quote }}\n      labels:\n' in workload
    )
    assert values["secretEnv"]["API_TOKEN"] == {
        "secret": "cloud-billing-service-secrets",
        "key": "API_TOKEN",
    }
    assert _messages(fixed, "wiring") == []
    assert GAP.fix(fixed) == ()


def test_derive_keeps_the_annotations_that_a_pod_has() -> None:
    """A new annotation stands beside the others, in the file's own line endings."""
    workload = DEPLOYMENT.replace(
        b"      labels:\n", b"      annotations:\n        a: b\n      labels:\n"
    ).replace(b"\n", b"\r\n")
    path = f"{SERVICE}/helm/templates/deployment.yaml"
    after = _fixed(_chart(**{path: workload})).read(path) or b""
    assert b"      annotations:\r\n        secret-version/" in after
    assert b"quote }}\r\n        a: b\r\n" in after


@pytest.mark.parametrize(
    "line",
    [
        b"        reloader.stakater.com/auto: 'true'\n",
        b"        checksum/secret: {{ .x }}\n",
    ],
)
def test_detect_leaves_a_chart_alone_when_it_rolls_out_another_way(line: bytes) -> None:
    """Near miss: a reloader or a checksum of its own is enough."""
    workload = DEPLOYMENT.replace(b"      labels:\n", b"      annotations:\n" + line, 1)
    tree = _chart(**{f"{SERVICE}/helm/templates/deployment.yaml": workload})
    assert _messages(tree, "wiring") == ["does not hand API_TOKEN on"]


@pytest.mark.parametrize(
    "line",
    [
        b"        # reloader.stakater.com/auto: 'true'\n",
        b'        {{/* lookup "v1" "Secret" some day */}}\n',
    ],
)
def test_detect_takes_no_remark_for_a_roll_out(line: bytes) -> None:
    """What a template's remark speaks of renews no pod."""
    workload = DEPLOYMENT.replace(b"      labels:\n", line + b"      labels:\n", 1)
    tree = _chart(**{f"{SERVICE}/helm/templates/deployment.yaml": workload})
    assert "its pods keep a secret's old value" in _messages(tree, "wiring")[0]


def test_derive_leaves_a_chart_to_a_person_when_the_pod_is_included() -> None:
    """A pod template from a helper is named, not guessed at."""
    workload = DEPLOYMENT.replace(b"    metadata:\n      labels:\n        a: b\n", b"")
    tree = _chart(**{f"{SERVICE}/helm/templates/deployment.yaml": workload})
    left = [item.detail for each in GAP.fix(tree) for item in each.unresolved]
    assert left == ["its pod template is not written in a way that an annotation could be added to"]


class _Desk:
    """The rendered folder on disk, with stand-ins for the tools its scripts call."""

    def __init__(self, folder: Path, tree: Tree) -> None:
        self.folder, self.tools = folder, folder / "tools"
        self.tools.mkdir()
        for path in tree.paths():
            if path.is_relative_to("k8s"):
                place = folder / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(tree.read(path) or b"")

    def stand_in(self, name: str, body: str = "") -> None:
        """Write a fake `name` that notes its arguments, then runs `body`."""
        script = self.tools / name
        script.write_text(f'#!/bin/bash\necho "{name} $*" >> "{self.folder}/calls"\n{body}\n')
        script.chmod(0o755)

    def run(self, script: str, *words: str, stdin: bytes = b"") -> process.Result:
        """Run a rendered script with the stand-ins first on PATH."""
        argv = ["bash", self.folder / FOLDER / script, *words]
        path = {"PATH": f"{self.tools}:/usr/bin:/bin"}
        return process.run(argv, env=path, stdin=stdin, deadline=30)

    @property
    def calls(self) -> list[str]:
        """Return what the stand-ins were asked, in order."""
        place = self.folder / "calls"
        return place.read_text().splitlines() if place.is_file() else []


@pytest.fixture
def desk(tmp_path: Path, fixed: Overlay) -> _Desk:
    """Return the reference's rendered folder with a fake helm and kubectl."""
    made = _Desk(tmp_path, fixed)
    made.stand_in("helm")
    made.stand_in("kubectl")
    made.stand_in("sleep")
    return made


@pytest.mark.parametrize(
    ("words", "folder", "store"),
    [
        ((), "production", "gcp-secret-manager"),
        (("staging",), "staging", "gcp-secret-manager-staging"),
        (("dev",), "dev", "gcp-secret-manager-dev"),
    ],
)
def test_install_installs_a_pinned_chart_then_waits_then_applies(
    desk: _Desk, words: tuple[str, ...], folder: str, store: str
) -> None:
    """The steps come in the one order that works, and twice is as good as once."""
    first = desk.run("install.sh", *words)
    once = desk.calls
    second = desk.run("install.sh", *words)
    assert (first.code, second.code, desk.calls) == (0, 0, once * 2)
    assert once[0].startswith("helm upgrade --install external-secrets ")
    assert "--version 1.3.2 " in once[0]
    assert " --wait " in once[0]
    assert ["crd/" in call for call in once[1:3]] == [True, True]
    assert "rollout status deployment/external-secrets-webhook" in once[3]
    assert "apply --dry-run=server" in once[4]
    assert once[5].endswith(f"/overlays/external-secrets/{folder}")
    assert once[6].endswith(f" clustersecretstore/{store}")
    assert len(once) == 7


def test_install_waits_until_the_webhook_answers(desk: _Desk) -> None:
    """Webhooks that refuse at first are asked again before anything is applied."""
    desk.stand_in(
        "kubectl",
        f'[[ "$*" != *dry-run* ]] || (( $(grep -c dry-run "{desk.folder}/calls") > 3 ))',
    )
    result = desk.run("install.sh")
    asked = [call for call in desk.calls if "dry-run" in call]
    assert (result.code, len(asked)) == (0, 4)
    assert desk.calls.count("sleep 2") == 3


@pytest.mark.parametrize(
    ("tool", "body", "last"),
    [
        ("helm", "exit 1", "helm upgrade"),
        ("kubectl", '[[ "$*" != *crd/* ]]', "crd/externalsecrets"),
        ("kubectl", '[[ "$*" != *rollout* ]]', "rollout status"),
        ("kubectl", '[[ "$*" != *dry-run* ]]', "dry-run"),
        ("kubectl", '[[ "$*" != *clustersecretstore/* ]]', "clustersecretstore/"),
    ],
)
def test_install_stops_where_a_step_fails(desk: _Desk, tool: str, body: str, last: str) -> None:
    """No later step runs, and the exit code says so."""
    desk.stand_in(tool, body)
    assert desk.run("install.sh").code != 0
    assert last in next(call for call in reversed(desk.calls) if not call.startswith("sleep"))


@pytest.mark.parametrize("is_there", [True, False])
def test_install_names_what_makes_a_namespace_before_it_applies_anything(
    tmp_path: Path, *, is_there: bool
) -> None:
    """The folder's kustomization does not make what another folder's makes, and kubectl stops."""
    made = b"apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n"
    files = {
        "package.json": b'{"name": "farmiq"}',
        f"{SERVICE}/.env.example": b"JWT_SECRET=\n",
        "k8s/shore/namespace.yaml": made % b"shore",
        "k8s/shore/app.yaml": SHORE,
        "k8s/attic/namespace.yaml": made % b"attic",
    }
    tree = _fixed(MemoryTree(files))
    desk = _Desk(tmp_path, tree)
    desk.stand_in("helm")
    desk.stand_in("kubectl", "exit 0" if is_there else '[[ "$1" != get ]]')
    desk.stand_in("sleep")
    result = desk.run("install.sh")
    if is_there:
        assert (result.code, "kubectl get namespace shore" in desk.calls) == (0, True), result.err
        return
    assert result.code == 1
    assert "no namespace shore; apply k8s/shore/namespace.yaml first" in result.err
    assert desk.calls == ["kubectl get namespace shore"]


def test_install_refuses_an_environment_that_it_does_not_know(desk: _Desk) -> None:
    """A misspelt environment applies nothing."""
    result = desk.run("install.sh", "prod")
    assert (result.code, desk.calls) == (2, [])
    assert "[production | dev | staging]" in result.err


_CLUSTER = r"""
case "$*" in
  *externalsecrets*) printf 'barn a-secrets\nbarn gone-secrets\nfield c-secrets\n' ;;
  *"get secret gone-secrets"*) ;;
  *"get secret"*) echo 4711 ;;
  *deployments*) printf 'Deployment/a a-secrets\nStatefulSet/b a-secrets\nDeployment/x other\n' ;;
esac
"""


def test_roll_out_marks_only_workloads_that_read_a_changed_secret(desk: _Desk) -> None:
    """Each reader gets its Secret's version; a Secret that is not there rolls nothing out."""
    desk.stand_in("kubectl", _CLUSTER)
    listed = desk.run("roll-out.sh", "--dry-run")
    assert not [call for call in desk.calls if " patch " in call]
    applied = desk.run("roll-out.sh")
    patches = [call for call in desk.calls if " patch " in call]
    assert (listed.code, applied.code) == (0, 0), applied.err
    assert listed.out.splitlines() == [
        "reads    barn/a-secrets: Deployment/a",
        "reads    barn/a-secrets: StatefulSet/b",
        "absent   barn/gone-secrets",
    ]
    assert [call.split()[4] for call in patches] == ["Deployment/a", "StatefulSet/b"]
    assert all('"annotations":{"secret-version/a-secrets":"4711"}' in call for call in patches)


def test_roll_out_asks_for_no_value_of_a_secret(desk: _Desk) -> None:
    """What is asked about a Secret is its version alone."""
    desk.stand_in("kubectl", _CLUSTER)
    desk.run("roll-out.sh")
    asked = [call for call in desk.calls if "get secret " in call]
    assert len(asked) == 3
    assert all(call.endswith("go-template={{.metadata.resourceVersion}}") for call in asked)


def test_roll_out_fails_when_the_cluster_does_not_answer(desk: _Desk) -> None:
    """A list that could not be read is no empty list."""
    desk.stand_in("kubectl", "echo Forbidden >&2; exit 1")
    assert desk.run("roll-out.sh").code == 1


def test_create_remote_secrets_prints_no_value_when_vault_keeps_them(tmp_path: Path) -> None:
    """Values go to vault's standard input only: not into output, arguments or files."""
    desk = _Desk(tmp_path, _fixed(_chart(**{"closeout.toml": VAULT})))
    desk.stand_in(
        "vault",
        f'[[ "$2" != metadata ]] || exit 2\ncat >> {tmp_path}/kept; echo >> {tmp_path}/kept',
    )
    result = desk.run("create-remote-secrets.sh", stdin=b"first-value\nsecond-value\n")
    kept = (tmp_path / "kept").read_text().split()
    assert result.code == 0, result.err
    assert kept == ["first-value", "second-value"]
    assert [call for call in desk.calls if " put " in call] == [
        "vault kv put -mount=farmiq farmiq-prod-api-token value=-",
        "vault kv put -mount=farmiq farmiq-prod-jwt-secret value=-",
    ]
    assert all(value not in result.out + result.err for value in kept)


@pytest.mark.needs("shellcheck")
def test_derive_renders_scripts_for_vault_that_shellcheck_accepts(tmp_path: Path) -> None:
    """The four scripts are clean for the other provider, too."""
    desk = _Desk(tmp_path, _fixed(_chart(**{"closeout.toml": VAULT})))
    scripts = sorted((desk.folder / FOLDER).glob("*.sh"))
    result = process.run(["shellcheck", *scripts])
    assert (len(scripts), result.out, result.code) == (4, "", 0)
