"""Charts hand settings on in the form in which they list variables, wherever a chart stands."""

from pathlib import PurePosixPath

import pytest

from closeout.formats import compose, deployed
from closeout.formats.settings import Setting
from closeout.formats.settings_delivery import Delivery
from closeout.fs.tree import MemoryTree, Overlay
from closeout.model import Tree

FOLDER = PurePosixPath("cloud/hatchery")
PLAIN = Setting(name="HOPS", example="HOPS=1", chart='# How far away.\nHOPS: "1"')
SECRET = Setting(name="SIGNING_KEY", value="${SIGNING_KEY}", example="SIGNING_KEY=", is_secret=True)
OPTIONAL = Setting(
    name="SIGNING_KEY", value="${SIGNING_KEY:-}", example="SIGNING_KEY=", is_secret=True
)
VALUES = b"""image:
  repository: registry.invalid/farm/hatchery
env:
  - name: STAGE
    value: "production"
  - name: STORE_URL
    valueFrom:
      secretKeyRef:
        name: hatchery-keys
        key: store-url
port: 80
"""
PODS = b"""kind: Deployment
spec:
  template:
    spec:
      containers:
        - name: web
          env:
            {{- toYaml .Values.env | nindent 12 }}
"""
LISTING = b"""kind: Deployment
spec:
  template:
    spec:
      containers:
        - name: web
          env:
            - name: STORE_URL
              valueFrom:
                secretKeyRef:
                  name: {{ include "hatchery.fullname" . }}
                  key: STORE_URL
            - name: STAGE
              value: {{ .Values.stage | quote }}
"""
OWN = b"""kind: Secret
metadata:
  name: hatchery-keys
data:
  store-url: {{ .Values.secrets.storeUrl | b64enc | quote }}
"""
WHOLE = b"""kind: Deployment
spec:
  template:
    spec:
      containers:
        - name: web
          envFrom:
            - secretRef:
                name: hatchery-keys
"""


def _delivery(setting: Setting) -> Delivery:
    def wanted(_: Tree, __: compose.ComposeService) -> tuple[Setting, ...]:
        return (setting,)

    return Delivery(in_examples=setting, in_charts=(setting,), in_compose=wanted)


def _chart(folder: str, **files: bytes) -> MemoryTree:
    held = {name.replace("__", "/").replace("_yaml", ".yaml"): text for name, text in files.items()}
    return MemoryTree(
        {f"{folder}/Chart.yaml": b"name: x\n", **{f"{folder}/{key}": held[key] for key in held}}
    )


def _delivered(tree: Tree, setting: Setting) -> Overlay:
    """Return the tree after delivery, which a second one leaves as it is."""
    delivery = _delivery(setting)
    after = Overlay(tree, delivery.chart_edits(tree, [FOLDER]))
    assert not list(delivery.undelivered(after, [FOLDER]))
    assert not list(delivery.unread_charts(after, [FOLDER]))
    return after


@pytest.mark.parametrize(
    "folder", ["helm/hatchery", "cloud/hatchery/helm", "deploy/charts/hatchery", "ops/web-chart"]
)
def test_chart_is_told_wherever_it_stands(folder: str) -> None:
    """By its folder, by its name, and by the image that it runs; in the list that it has."""
    tree = _chart(folder, values_yaml=VALUES, templates__pods_yaml=PODS)
    after = _delivered(tree, SECRET).read(PurePosixPath(folder, "values.yaml")) or b""
    assert after == VALUES.replace(
        b"port:",
        b"  - name: SIGNING_KEY\n    valueFrom:\n      secretKeyRef:\n"
        b"        name: hatchery-keys\n        key: signing-key\nport:",
    )


def test_chart_of_another_service_is_left() -> None:
    """A chart with another name and another image starts something else."""
    other = VALUES.replace(b"farm/hatchery", b"farm/silo")
    tree = _chart("helm/silo", values_yaml=other, templates__pods_yaml=PODS)
    assert not list(_delivery(SECRET).undelivered(tree, [FOLDER]))


def test_plain_setting_goes_into_a_list_with_its_comment() -> None:
    """A list takes it as an item; a list of a stage replaces the usual one, and gets it too."""
    tree = _chart(
        "helm/hatchery", values_yaml=VALUES, values_prod_yaml=b"", templates__pods_yaml=PODS
    )
    staged = PurePosixPath("helm/hatchery/values-prod.yaml")
    tree = MemoryTree(
        {**{str(path): tree.read(path) or b"" for path in tree.paths()}, str(staged): b"env: []\n"}
    )
    after = _delivered(tree, PLAIN)
    usual = after.read(PurePosixPath("helm/hatchery/values.yaml")) or b""
    assert b'  # How far away.\n  - name: HOPS\n    value: "1"\nport:' in usual
    assert after.read(staged) == b'env: [{name: HOPS, value: "1"}]\n'


def test_optional_secret_keeps_no_pod_waiting() -> None:
    """A key that the Secret may lack is read as one."""
    tree = _chart("helm/hatchery", values_yaml=VALUES, templates__pods_yaml=PODS)
    after = _delivered(tree, OPTIONAL).read(PurePosixPath("helm/hatchery/values.yaml")) or b""
    assert b"        key: signing-key\n        optional: true\nport:" in after


@pytest.mark.parametrize(
    ("setting", "lines"),
    [
        (
            SECRET,
            (
                b"            - name: SIGNING_KEY\n              valueFrom:\n"
                b"                secretKeyRef:\n"
                b'                  name: {{ include "hatchery.fullname" . }}\n'
                b"                  key: SIGNING_KEY\n"
            ),
        ),
        (
            PLAIN,
            b'            # How far away.\n            - name: HOPS\n              value: "1"\n',
        ),
    ],
)
def test_template_that_lists_variables_is_told(setting: Setting, lines: bytes) -> None:
    """The list of the workload's own template takes it first, from its neighbour's Secret."""
    tree = _chart("helm/hatchery", values_yaml=b"stage: prod\n", templates__pods_yaml=LISTING)
    path = PurePosixPath("helm/hatchery/templates/pods.yaml")
    after = _delivered(tree, setting).read(path) or b""
    assert after == LISTING.replace(b"env:\n", b"env:\n" + lines)


@pytest.mark.parametrize("pods", [PODS, WHOLE], ids=["by key", "whole"])
def test_secret_that_the_chart_makes_gets_the_key(pods: bytes) -> None:
    """The pods would not start for a key that is nowhere: the template makes it from a value."""
    own = OWN if pods == PODS else OWN.replace(b"store-url", b"STORE_URL")
    given = (VALUES if pods == PODS else b"port: 80\n") + b'secrets:\n  storeUrl: "CHANGE_ME"\n'
    tree = _chart(
        "helm/hatchery", values_yaml=given, templates__pods_yaml=pods, templates__own_yaml=own
    )
    after = _delivered(tree, SECRET)
    key = b"signing-key" if pods == PODS else b"SIGNING_KEY"
    made = after.read(PurePosixPath("helm/hatchery/templates/own.yaml"))
    assert made == own + b"  " + key + b": {{ .Values.secrets.signingKey | b64enc | quote }}\n"
    values = after.read(PurePosixPath("helm/hatchery/values.yaml")) or b""
    assert values.endswith(b'  storeUrl: "CHANGE_ME"\n  signingKey: "CHANGE_ME"\n')
    (given_by,) = deployed.environments(after, FOLDER)
    assert "SIGNING_KEY" in given_by.variables


@pytest.mark.parametrize(
    ("pods", "own", "reason"),
    [
        (PODS.replace(b"          env:\n", b""), b"", "lists no secret"),
        (WHOLE, OWN.replace(b".Values.secrets.storeUrl", b'include "url" .'), "is not known here"),
    ],
    ids=["without a list", "made by a helper"],
)
def test_chart_of_an_unknown_form_is_refused(pods: bytes, own: bytes, reason: str) -> None:
    """What cannot be delivered is told, for the service not to depend on it."""
    tree = _chart(
        "helm/hatchery",
        values_yaml=b"port: 80\n",
        templates__pods_yaml=pods,
        templates__own_yaml=own,
    )
    (left,) = _delivery(SECRET).unread_charts(tree, [FOLDER])
    assert reason in left.detail
    assert not list(_delivery(SECRET).chart_edits(tree, [FOLDER]))


def test_environment_of_a_chart_is_what_its_templates_list() -> None:
    """Values are worked out where they stand in the chart's own; secrets are made."""
    tree = _chart("ops/hatchery", values_yaml=b"stage: prod\n", templates__pods_yaml=LISTING)
    (given,) = deployed.environments(tree, FOLDER)
    assert given.variables["STAGE"] == "prod"
    assert given.kept == {"STORE_URL"}


@pytest.mark.parametrize(
    ("values", "pods"),
    [
        (b"env:\n  - name: STAGE\n    value: prod\n", PODS),
        (b"env:\n  STAGE: prod\n", PODS.replace(b"toYaml .Values.env", b'include "common.env" .')),
    ],
    ids=["a list", "a helper's list"],
)
def test_chart_that_reads_no_secret_takes_the_services_own(values: bytes, pods: bytes) -> None:
    """It is what the operator makes for the service, by the variable's name."""
    tree = _chart("helm/hatchery", values_yaml=values, templates__pods_yaml=pods)
    after = _delivered(tree, SECRET)
    told = b"".join(after.read(path) or b"" for path in after.paths())
    assert b"- name: SIGNING_KEY\n" in told
    assert told.split(b"secretKeyRef:")[1].split()[:4] == [
        *(b"name:", b"hatchery-secrets", b"key:", b"SIGNING_KEY")
    ]
