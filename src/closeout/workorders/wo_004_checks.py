"""What WO-004 says of the tree, as data: places with lines, commands with ports, fixes to try.

Facts in our own words. Lines are the order's; a number before them is the issue's.
"""

from __future__ import annotations

from closeout.workorders.artifact_lint import ArtifactKind, TouchedFiles
from closeout.workorders.facts import (
    Engine,
    Fix,
    Floor,
    NamedLine,
    OrderCommand,
    OrderFacts,
    OrderPackage,
    Sample,
)

_VISION = "edge-layer/edge-vision-inference"
_BILLING = "cloud-layer/cloud-billing-service"
_IDENTITY = "cloud-layer/cloud-identity-access"
_REGISTRY = "cloud-layer/cloud-tenant-registry"
_COHORT = "cloud-layer/cloud-data-pipeline/models/marts/analytics/fact_batch_cohort.sql"
_MANIFESTS = "*.y*ml"
_BACKUPS = rb"(?ms)^kind: *CronJob\b.*backup|^kind: *PrometheusRule\b.*backup"
_BROKERS = rb"(?ms)^kind: *(Deployment|StatefulSet|DaemonSet)\b.*mosquitto"
_PYTEST_FILES = ("pytest.ini", "pyproject.toml", "setup.cfg", "tox.ini", ".coveragerc")
_INVOICE = ("invoiceService.ts", ("createInvoice",))
_SUBSCRIPTION = (
    "subscriptionService.ts",
    ("upgrade", "upgradeSubscription", "changePlan", "upsertSubscription"),
)

TOUCHED = tuple(
    TouchedFiles(pattern=pattern, kind=kind, criteria=tuple(criteria.split()), holding=holding)
    for pattern, kind, criteria, holding in (
        ("*k8s/external-secrets/kustomization.y*ml", ArtifactKind.KUSTOMIZATION, "10.3", b""),
        (_MANIFESTS, ArtifactKind.MANIFEST, "10.2", rb"(?m)^kind: *(Cluster)?SecretStore\b"),
        (_MANIFESTS, ArtifactKind.MANIFEST, "10.3", rb"(?m)^kind: *ExternalSecret\b"),
        (_MANIFESTS, ArtifactKind.MANIFEST, "9.2", _BACKUPS),
        (_MANIFESTS, ArtifactKind.MANIFEST, "8.2", _BROKERS),
        ("*k8s/*mqtt-broker/*.y*ml", ArtifactKind.MANIFEST, "8.1", b""),
        ("scripts/backup-*.sh", ArtifactKind.SCRIPT, "9.1", b""),
        ("scripts/restore-*.sh", ArtifactKind.SCRIPT, "9.4", b""),
        ("k8s/external-secrets/install*.sh", ArtifactKind.SCRIPT, "10.1", b""),
        ("k8s/external-secrets/*.sh", ArtifactKind.SCRIPT, "10.2", b""),
        ("edge-layer/docker-compose.y*ml", ArtifactKind.COMPOSE, "8.1 8.2", b""),
        ("cloud-layer/docker-compose.y*ml", ArtifactKind.COMPOSE, "1.2 4.2", b""),
        (f"{_IDENTITY}/package*.json", ArtifactKind.SYNTAX, "2.1", b""),
        (f"{_REGISTRY}/package*.json", ArtifactKind.SYNTAX, "4.2", b""),
        (f"{_BILLING}/package*.json", ArtifactKind.SYNTAX, "5.5", b""),
        (f"{_VISION}/pyproject.toml", ArtifactKind.SYNTAX, "6.1", b""),
        ("cloud-layer/cloud-data-pipeline/*.y*ml", ArtifactKind.SYNTAX, "3.2", b""),
    )
)
"""Which files the order touches; a path that several describe belongs to the first of a kind."""

FACTS = OrderFacts(
    named=tuple(
        NamedLine(path=path, line=line, gap=gap, criterion=criterion)
        for path, line, gap, criterion in (
            (f"{_VISION}/app/main.py", 61, "cors", "1.1"),
            ("cloud-layer/cloud-llm-insights-service/app/main.py", 104, "cors", "1.1"),
            ("cloud-layer/cloud-advanced-analytics/app/main.py", 128, "cors", "1.1"),
            ("cloud-layer/cloud-analytics-service/app/main.py", 77, "cors", "1.1"),
            ("cloud-layer/cloud-inference-server/app/main.py", 116, "cors", "1.1"),
            (f"{_IDENTITY}/src/routes/authRoutes.ts", 7, "rate-limit", "2.1"),
            (_COHORT, 31, "sql", "3.1"),
            (_COHORT, 48, "sql", "3.3"),
            (f"{_REGISTRY}/src/controllers/provisioning.ts", 13, "factory-secret", "4.1"),
        )
    ),
    commands=(
        OrderCommand(
            name="preflight from a foreign origin with curl",
            criterion="1.1",
            port="5107",
            service="edge-vision-inference",
            idle="it looks for `*` alone: a service that repeats the foreign origin passes, and "
            "curl's status is 0 whatever the answer",
            probe="cors.order-check-as-written@edge-vision-inference",
            counterpart="cors.evil-origin-preflight@edge-vision-inference",
        ),
        OrderCommand(
            name="ten logins in a loop with curl",
            criterion="2.1",
            port="5122",
            service="cloud-identity-access",
            idle="it prints statuses and compares none of them",
        ),
        OrderCommand(
            name="dbt compile of the cohort model",
            criterion="3.2",
            idle="dbt renders templates and asks no database: broken SQL compiles with status 0",
        ),
        OrderCommand(
            name="the billing suite with coverage",
            criterion="5.5",
            idle="no floor is given, so any coverage ends with status 0",
            floor=Floor(
                files=(f"{_BILLING}/package.json", f"{_BILLING}/jest.config.*"),
                pattern=rb"(?m)^(?![ \t]*(?://|/?\*))[^\n]*coverageThreshold",
            ),
        ),
        OrderCommand(
            name="the vision suite with coverage",
            criterion="6.5",
            idle="no floor is given, so any coverage ends with status 0",
            floor=Floor(
                files=tuple(f"{_VISION}/{name}" for name in _PYTEST_FILES),
                pattern=rb"(?m)^[^#\n]*(--cov-fail-under|fail_under)",
            ),
        ),
    ),
    fixes=(
        Fix(
            name="days between two dates by EXTRACT",
            criterion="3.3",
            engine=Engine.POSTGRES,
            text="SELECT EXTRACT(day FROM (DATE '2025-03-01' - DATE '2025-01-01'))",
        ),
        Fix(
            name="a secret store on the v1beta1 API",
            criterion="10.2",
            engine=Engine.KUBERNETES,
            text="apiVersion: external-secrets.io/v1beta1\nkind: ClusterSecretStore\n"
            "metadata: {name: store}\n"
            "spec: {provider: {gcpsm: {projectID: project}}}\n",
        ),
        Fix(
            name="an ExternalSecret on the v1beta1 API",
            criterion="10.3",
            engine=Engine.KUBERNETES,
            text="apiVersion: external-secrets.io/v1beta1\nkind: ExternalSecret\n"
            "metadata: {name: secrets, namespace: cloud}\n"
            "spec:\n  secretStoreRef: {kind: ClusterSecretStore, name: store}\n"
            "  data: [{secretKey: KEY, remoteRef: {key: remote}}]\n",
        ),
    ),
    packages=(
        OrderPackage(
            name="express-rate-limit", manifest=f"{_IDENTITY}/package.json", criterion="2.1"
        ),
    ),
    samples=tuple(
        Sample(
            name=name,
            criterion=criterion,
            service=_BILLING,
            module=module,
            owners=owners,
            words=frozenset(words.split()),
        )
        for name, criterion, module, owners, words in (
            ("the tax on an invoice", "5.1", *_INVOICE, "tax taxes vat"),
            (
                "a discount for annual billing",
                "5.1",
                *_INVOICE,
                "discount discounts discounted",
            ),
            (
                "one invoice for one idempotency key",
                "5.1",
                *_INVOICE,
                "idempotency idempotent",
            ),
            (
                "proration of an upgrade within a period",
                "5.2",
                *_SUBSCRIPTION,
                "prorate prorates prorated proration",
            ),
        )
    ),
)
