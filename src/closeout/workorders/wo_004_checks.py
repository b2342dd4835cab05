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
_PYTEST_FILES = ("pytest.ini", "pyproject.toml", "setup.cfg", "tox.ini", ".coveragerc")

TOUCHED = (
    TouchedFiles(
        pattern="*k8s/external-secrets/kustomization.y*ml",
        kind=ArtifactKind.KUSTOMIZATION,
        criteria=("10.3",),
    ),
    TouchedFiles(
        pattern=_MANIFESTS,
        kind=ArtifactKind.MANIFEST,
        criteria=("10.2",),
        holding=rb"(?m)^kind: *(Cluster)?SecretStore\b",
    ),
    TouchedFiles(
        pattern=_MANIFESTS,
        kind=ArtifactKind.MANIFEST,
        criteria=("10.3",),
        holding=rb"(?m)^kind: *ExternalSecret\b",
    ),
    TouchedFiles(
        pattern=_MANIFESTS,
        kind=ArtifactKind.MANIFEST,
        criteria=("9.2",),
        holding=rb"(?ms)^kind: *CronJob\b.*backup|^kind: *PrometheusRule\b.*backup",
    ),
    TouchedFiles(
        pattern=_MANIFESTS,
        kind=ArtifactKind.MANIFEST,
        criteria=("8.2",),
        holding=rb"(?ms)^kind: *(Deployment|StatefulSet|DaemonSet)\b.*mosquitto",
    ),
    TouchedFiles(
        pattern="*k8s/*mqtt-broker/*.y*ml",
        kind=ArtifactKind.MANIFEST,
        criteria=("8.1",),
    ),
    TouchedFiles(pattern="scripts/backup-*.sh", kind=ArtifactKind.SCRIPT, criteria=("9.1",)),
    TouchedFiles(pattern="scripts/restore-*.sh", kind=ArtifactKind.SCRIPT, criteria=("9.4",)),
    TouchedFiles(
        pattern="k8s/external-secrets/install*.sh", kind=ArtifactKind.SCRIPT, criteria=("10.1",)
    ),
    TouchedFiles(pattern="k8s/external-secrets/*.sh", kind=ArtifactKind.SCRIPT, criteria=("10.2",)),
    TouchedFiles(
        pattern="edge-layer/docker-compose.y*ml",
        kind=ArtifactKind.COMPOSE,
        criteria=("8.1", "8.2"),
    ),
    TouchedFiles(
        pattern="cloud-layer/docker-compose.y*ml",
        kind=ArtifactKind.COMPOSE,
        criteria=("1.2", "4.2"),
    ),
    TouchedFiles(pattern=f"{_IDENTITY}/package*.json", kind=ArtifactKind.SYNTAX, criteria=("2.1",)),
    TouchedFiles(pattern=f"{_REGISTRY}/package*.json", kind=ArtifactKind.SYNTAX, criteria=("4.2",)),
    TouchedFiles(pattern=f"{_BILLING}/package*.json", kind=ArtifactKind.SYNTAX, criteria=("5.5",)),
    TouchedFiles(pattern=f"{_VISION}/pyproject.toml", kind=ArtifactKind.SYNTAX, criteria=("6.1",)),
    TouchedFiles(
        pattern="cloud-layer/cloud-data-pipeline/*.y*ml",
        kind=ArtifactKind.SYNTAX,
        criteria=("3.2",),
    ),
)
"""Which files the order touches; a path that several describe belongs to the first of a kind."""

FACTS = OrderFacts(
    named=(
        NamedLine(path=f"{_VISION}/app/main.py", line=61, gap="cors", criterion="1.1"),
        NamedLine(
            path="cloud-layer/cloud-llm-insights-service/app/main.py",
            line=104,
            gap="cors",
            criterion="1.1",
        ),
        NamedLine(
            path="cloud-layer/cloud-advanced-analytics/app/main.py",
            line=128,
            gap="cors",
            criterion="1.1",
        ),
        NamedLine(
            path="cloud-layer/cloud-analytics-service/app/main.py",
            line=77,
            gap="cors",
            criterion="1.1",
        ),
        NamedLine(
            path="cloud-layer/cloud-inference-server/app/main.py",
            line=116,
            gap="cors",
            criterion="1.1",
        ),
        NamedLine(
            path=f"{_IDENTITY}/src/routes/authRoutes.ts",
            line=7,
            gap="rate-limit",
            criterion="2.1",
        ),
        NamedLine(path=_COHORT, line=31, gap="sql", criterion="3.1"),
        NamedLine(path=_COHORT, line=48, gap="sql", criterion="3.3"),
        NamedLine(
            path=f"{_REGISTRY}/src/controllers/provisioning.ts",
            line=13,
            gap="factory-secret",
            criterion="4.1",
        ),
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
    samples=(
        Sample(
            name="the tax on an invoice",
            criterion="5.1",
            service=_BILLING,
            module="invoiceService.ts",
            owners=("createInvoice",),
            words=frozenset({"tax", "taxes", "vat"}),
        ),
        Sample(
            name="a discount for annual billing",
            criterion="5.1",
            service=_BILLING,
            module="invoiceService.ts",
            owners=("createInvoice",),
            words=frozenset({"discount", "discounts", "discounted"}),
        ),
        Sample(
            name="one invoice for one idempotency key",
            criterion="5.1",
            service=_BILLING,
            module="invoiceService.ts",
            owners=("createInvoice",),
            words=frozenset({"idempotency", "idempotent"}),
        ),
        Sample(
            name="proration of an upgrade within a period",
            criterion="5.2",
            service=_BILLING,
            module="subscriptionService.ts",
            owners=("upgrade", "upgradeSubscription", "changePlan", "upsertSubscription"),
            words=frozenset({"prorate", "prorates", "prorated", "proration"}),
        ),
    ),
)
