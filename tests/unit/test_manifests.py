"""Strict, offline validation of Kubernetes manifests."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
import yaml

from closeout.formats.manifests import documents, validate, validate_together

CRON_JOB = """apiVersion: batch/v1
kind: CronJob
metadata:
  name: postgres-backup
  namespace: farmiq-cloud-prod
spec:
  schedule: "0 2 * * *"
  timeZone: Etc/UTC
  concurrencyPolicy: Forbid
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: backup
              image: backup:1
              imagePullPolicy: IfNotPresent
"""

ENTRY = """apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: billing-secrets
  namespace: farmiq-cloud-prod
spec:
  refreshInterval: 1h
  secretStoreRef:
    kind: ClusterSecretStore
    name: gcp-secret-manager
  target:
    name: billing-secrets
    creationPolicy: Owner
  data:
    - secretKey: JWT_SECRET
      remoteRef:
        key: farmiq-prod-jwt-secret
"""

STORE = """apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata:
  name: vault
spec:
  conditions:
    - namespaces: [farmiq-cloud-prod]
  provider:
    vault:
      server: https://vault.internal:8200
      path: farmiq
      version: v2
      auth:
        kubernetes:
          mountPath: kubernetes
          role: external-secrets
          serviceAccountRef:
            name: external-secrets-sa
            namespace: external-secrets
"""

MONITOR = """apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: broker
  namespace: farmiq-edge
spec:
  selector:
    matchLabels:
      app: broker
  endpoints:
    - port: metrics
      interval: 30s
"""

ALERTS = """apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: backup
  namespace: farmiq-cloud-prod
spec:
  groups:
    - name: backup
      rules:
        - alert: BackupTooOld
          expr: time() - backup_last_success > 90000
          for: 5m
          labels:
            severity: critical
"""


@pytest.mark.parametrize("text", [CRON_JOB, ENTRY, STORE, MONITOR, ALERTS])
def test_validate_finds_nothing_when_the_manifest_is_right(text: str) -> None:
    """A right manifest of every supported sort has no problem."""
    assert validate(text.encode()) == ()


@pytest.mark.parametrize(
    ("text", "old", "new", "rule", "pointer"),
    [
        (CRON_JOB, "concurrencyPolicy: Forbid", "concurrencyPolicy: Deny", "enum", "Policy"),
        (CRON_JOB, "restartPolicy: Never", "restartPolicy: Always", "enum", "restartPolicy"),
        (CRON_JOB, "imagePullPolicy: IfNotPresent", "imagePullPolicy: Mostly", "enum", "Pull"),
        (CRON_JOB, "  timeZone:", "  timezone:", "unknown-field", "timezone"),
        (CRON_JOB, "  schedule:", "  timeZone2:", "schema", "spec"),
        (CRON_JOB, "batch/v1", "batch/v1beta1", "unknown-kind", "kind"),
        (ENTRY, "secrets.io/v1", "secrets.io/v1beta1", "unserved-version", "apiVersion"),
        (ENTRY, "creationPolicy: Owner", "creationPolicy: Own", "enum", "Policy"),
        (ENTRY, "secretKey:", "secretkey:", "unknown-field", "secretkey"),
        (ENTRY, "refreshInterval: 1h", "refreshInterval: hourly", "schema", "Interval"),
        (ENTRY, "  namespace: farmiq-cloud-prod\n", "", "schema", "metadata"),
        (
            ENTRY,
            "  name: billing-secrets\n",
            "  name: a\n  name: b\n",
            "duplicate-key",
            "",
        ),
        (STORE, "server: https", "server: ftp", "schema", "server"),
        (STORE, "        kubernetes:\n", "        kubernetus:\n", "unknown-field", "kubernetus"),
        (STORE, "  name: vault\n", "  name: vault\n  namespace: a\n", "unknown-field", "namespace"),
        (MONITOR, "interval: 30s", "interval: often", "schema", "interval"),
        (ALERTS, "- alert: BackupTooOld", "- title: BackupTooOld", "unknown-field", "title"),
        (ALERTS, "kind: PrometheusRule", "kind: PrometheusRules", "unknown-kind", "kind"),
    ],
)
def test_validate_names_the_field_when_one_thing_is_wrong(
    text: str, old: str, new: str, rule: str, pointer: str
) -> None:
    """Each class of error is refused, under its own rule and at its field."""
    assert old in text
    problems = validate(text.replace(old, new, 1).encode())
    assert any(item.rule == rule and pointer in item.pointer for item in problems)


def test_validate_reports_the_line_of_the_field_when_it_is_in_a_later_document() -> None:
    """A problem points into its own document, not at the file's start."""
    wrong = ENTRY.replace("creationPolicy: Owner", "creationPolicy: Own")
    (problem,) = validate(f"{STORE}---\n{wrong}".encode())
    lines = f"{STORE}---\n{wrong}".splitlines()
    assert lines[problem.line - 1].strip() == "creationPolicy: Own"


@pytest.mark.parametrize(
    "content", [b"a: [\n", b"x: {{ .Values.a }}\n", b"\xff\xfe\x00", b"? [a]\n: 1\n"]
)
def test_validate_says_unparsable_when_the_text_is_no_yaml(content: bytes) -> None:
    """Text that cannot be parsed is one problem, never an exception."""
    assert [item.rule for item in validate(content)] == ["unparsable"]


def test_validate_leaves_free_text_alone_when_a_label_is_called_like_a_field() -> None:
    """Near miss: `protocol` as a label or a data key is the author's own word."""
    text = (
        "apiVersion: v1\nkind: ConfigMap\n"
        "metadata:\n  name: a\n  labels:\n    protocol: mqtt\ndata:\n  scheme: amqp\n"
    )
    assert validate(text.encode()) == ()


def test_validate_refuses_a_document_when_it_has_no_kind() -> None:
    """A mapping that is no Kubernetes object is not passed over."""
    assert [item.rule for item in validate(b"replicas: 2\n")] == ["not-an-object"]


def test_validate_together_finds_a_name_when_two_files_define_it() -> None:
    """The second file that defines an object is the one that is reported."""
    one, two = PurePosixPath("k8s/a.yaml"), PurePosixPath("k8s/b.yaml")
    files = {one: ENTRY.encode(), two: ENTRY.encode()}
    found = [(path, item.rule) for path, item in validate_together(files)]
    assert found == [(two, "duplicate-name")]


def test_validate_together_accepts_a_name_when_the_namespace_differs() -> None:
    """Near miss: one name in two namespaces is two objects."""
    other = ENTRY.replace("namespace: farmiq-cloud-prod", "namespace: farmiq-edge-prod")
    files = {
        PurePosixPath("a.yaml"): ENTRY.encode(),
        PurePosixPath("b.yaml"): other.encode(),
        PurePosixPath("c.yaml"): b"a: [\n",
    }
    assert [item.rule for _, item in validate_together(files)] == ["unparsable"]


def test_documents_keeps_lines_when_the_file_starts_with_a_comment() -> None:
    """A document knows its own first line, and raises only YAML's error."""
    (document,) = documents(b"# written by hand\n\nkind: List\n")
    assert (document.line, document.subject) == (3, "List/?")
    with pytest.raises(yaml.YAMLError):
        documents(b"a: [\n")
