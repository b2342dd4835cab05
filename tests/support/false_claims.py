"""Trees that were "closed" by hand: a fixed copy with planted defects, each behind a ticked box."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from closeout.workorders.wo_004 import WO_004

_IDENTITY = "cloud-layer/cloud-identity-access"
_REGISTRY = "cloud-layer/cloud-tenant-registry"
_BILLING = "cloud-layer/cloud-billing-service"
_VISION = "edge-layer/edge-vision-inference"
_ROUTES = f"{_IDENTITY}/src/routes/authRoutes.ts"
_INFERENCE = "cloud-layer/cloud-inference-server/app/main.py"
_COHORT = "cloud-layer/cloud-data-pipeline/models/marts/analytics/fact_batch_cohort.sql"
_ESO = "k8s/external-secrets"
_UNHEADED = (
    "cloud-layer/cloud-analytics-service",
    "cloud-layer/cloud-inference-server",
    _VISION,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One defect, the criteria it falsifies, and a word that the evidence must name."""

    name: str
    criteria: tuple[str, ...]
    """Every criterion that is false with it, and no other."""
    names: tuple[str, ...]
    """Each stands in the ruling or the evidence of one of the criteria."""
    put: Callable[[Path], None]
    sessions: tuple[str, ...] = ()
    """What has to run to show it; reading alone does where there is none."""
    only: str = ""
    """The start of the probes that can show it, several between commas."""
    red: tuple[str, ...] = ()
    """The detectors and probes that have to be red: what is found by each way alone."""


def swap(place: str, old: str, new: str) -> Callable[[Path], None]:
    """Return a change of one place in one file, its line endings kept."""

    def put(root: Path) -> None:
        content = (root / place).read_bytes()
        assert content.count(old.encode()) == 1, (place, old)
        (root / place).write_bytes(content.replace(old.encode(), new.encode()))

    return put


def remove(place: str) -> Callable[[Path], None]:
    """Return the loss of one file."""
    return lambda root: (root / place).unlink()


def write(place: str, text: str) -> Callable[[Path], None]:
    """Return one file with other content, or a new one."""

    def put(root: Path) -> None:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text(text)

    return put


def put_in(place: str, pattern: str, new: str) -> Callable[[Path], None]:
    """Return a change of every match of a pattern in one file, of one at least."""

    def put(root: Path) -> None:
        text, count = re.subn(pattern, new, (root / place).read_bytes().decode())
        assert count, (place, pattern)
        (root / place).write_bytes(text.encode())

    return put


def both(*changes: Callable[[Path], None]) -> Callable[[Path], None]:
    """Return several changes as one."""

    def put(root: Path) -> None:
        for change in changes:
            change(root)

    return put


def _without_headers(root: Path) -> None:
    for service in _UNHEADED:
        put_in(f"{service}/app/main.py", r"(?m)^install_security_headers\(app\)\s*$", "")(root)


def _hollow(count: int) -> str:
    tests = "\n".join(
        f"  it('works {number}', async () => {{\n    await Promise.resolve({number});\n  }});"
        for number in range(count)
    )
    return f"describe('PaymentService', () => {{\n{tests}\n}});\n"


def _untested_typescript() -> str:
    lines = "\n".join(f"  if (rows > {n}) total += rows * {n};" for n in range(400))
    return (
        f"export function reconcile(rows: number): number {{\n  let total = 0;\n{lines}\n"
        "  return total;\n}\n"
    )


def _untested_python() -> str:
    lines = "\n".join(f"    if rows > {n}:\n        total += rows * {n}" for n in range(600))
    return f"def track(rows: int) -> int:\n    total = 0\n{lines}\n    return total\n"


RUNNING = (
    Plant(
        name="a limiter left at 1000 for verification",
        sessions=("live_probes",),
        only="rate-limit.sixth-bad-login,rate-limit.order-test-plan,rate-limit.other-account",
        criteria=("2.1", "2.3", "M.2"),
        names=("rate-limit",),
        put=swap(
            f"{_IDENTITY}/src/middleware/authRateLimiter.ts",
            "const LOGIN_LIMIT = 5;",
            "const LOGIN_LIMIT = 1000; // raised for verification",
        ),
    ),
    Plant(
        name="the refresh route without a limiter",
        sessions=("live_probes",),
        only="rate-limit.refresh-limited",
        criteria=("2.2",),
        names=("authRoutes.ts",),
        put=both(
            swap(_ROUTES, "'/refresh', refreshRateLimiter, ", "'/refresh', "),
            swap(_ROUTES, "loginRateLimiter, refreshRateLimiter }", "loginRateLimiter }"),
        ),
    ),
    Plant(
        name="security headers in two services of five",
        sessions=("live_probes",),
        only=",".join(f"headers.present@{PurePosixPath(each).name}" for each in _UNHEADED),
        criteria=("7.1", "7.2", "7.3", "7.4", "M.6"),
        names=tuple(f"{service}/app/main.py" for service in _UNHEADED),
        put=_without_headers,
    ),
    Plant(
        name="billing tests that fail",
        sessions=("billing_jest",),
        criteria=("M.4",),
        names=("invoiceService.test.ts",),
        put=swap(
            f"{_BILLING}/tests/invoiceService.test.ts",
            "expect(invoice.total).toBe(2689.2);",
            "expect(invoice.total).toBe(2689.3);",
        ),
    ),
    Plant(
        name="billing coverage below its floor",
        sessions=("billing_jest",),
        criteria=("5.5",),
        names=("reconciliationService.ts",),
        put=write(f"{_BILLING}/src/services/reconciliationService.ts", _untested_typescript()),
    ),
    Plant(
        name="payment tests without an assertion",
        sessions=("billing_jest",),
        criteria=("5.3",),
        names=("paymentService.test.ts",),
        put=write(f"{_BILLING}/tests/paymentService.test.ts", _hollow(6)),
    ),
    Plant(
        name="vision tests that fail",
        sessions=("vision_pytest",),
        criteria=("6.4", "M.5"),
        names=("test_job_service.py",),
        put=swap(
            f"{_VISION}/tests/test_job_service.py",
            "    return JobService(clock=clock)",
            "    return JobService(clock=clock, queue=[])",
        ),
    ),
    Plant(
        name="vision coverage below its floor",
        sessions=("vision_pytest",),
        criteria=("6.5",),
        names=("statements",),
        put=write(f"{_VISION}/app/services/tracking_service.py", _untested_python()),
    ),
    Plant(
        name="a backup script that does not parse",
        sessions=("live_probes",),
        only="backup.upload-refused,backup.restore-drill,backup.backup-reaches",
        criteria=("9.1", "9.2", "9.3", "9.4", "M.8"),
        names=("scripts/backup-database.sh",),
        put=swap("scripts/backup-database.sh", '\nmain "$@"', '\nif main "$@"; then\n'),
    ),
    Plant(
        name="a CronJob whose mounts have no volume",
        criteria=("9.2",),
        names=("no volume 'backup-script'",),
        put=put_in(
            "k8s/backup-cronjob.yaml",
            r"- \{name: backup-scripts, mountPath",
            "- {name: backup-script, mountPath",
        ),
    ),
    Plant(
        name="a broker configuration that no longer starts",
        sessions=("live_probes",),
        only="mqtt-tls.production-handshake",
        criteria=("8.4",),
        names=("mosquitto.prod.conf",),
        put=swap(
            "edge-layer/edge-mqtt-broker/mosquitto.prod.conf",
            "per_listener_settings true",
            "per_listener_settings",
        ),
    ),
    Plant(
        name="a wildcard left in one service",
        sessions=("live_probes",),
        only="cors.unknown-origins-rejected-m.1@cloud-inference-server",
        criteria=("1.1", "1.2", "1.3", "M.1"),
        names=(_INFERENCE,),
        put=both(
            put_in(
                _INFERENCE,
                r"(?m)^install_cors\(app.*\)$",
                "app.add_middleware(CORSMiddleware, allow_origins=['*'], allow_credentials=True)",
            ),
            swap(
                _INFERENCE,
                "from app.cors import install_cors",
                "from fastapi.middleware.cors import CORSMiddleware",
            ),
        ),
    ),
    Plant(
        name="the factory literal left in",
        sessions=("live_probes",),
        only="factory-secret.old-literal",
        criteria=("4.1", "4.2"),
        names=("provisioning.ts",),
        put=swap(
            f"{_REGISTRY}/src/controllers/provisioning.ts",
            "    if (refusal) {",
            "    if (claimCode !== 'FACTORY-SECRET' && refusal) {",
        ),
    ),
    Plant(
        name="an example environment without the variable",
        criteria=("4.3",),
        names=(".env.example",),
        put=put_in(f"{_REGISTRY}/.env.example", r"DEVICE_FACTORY_SECRET=[^\n]*", ""),
    ),
    Plant(
        name="a store on an API that is not served",
        criteria=("10.2",),
        names=("v1beta1",),
        put=swap(
            f"{_ESO}/cluster-secret-store.yaml",
            "external-secrets.io/v1\n",
            "external-secrets.io/v1beta1\n",
        ),
    ),
    Plant(
        name="a manifest that is listed and does not exist",
        criteria=("10.3",),
        names=("cloud-billing-service-external-secret.yaml",),
        put=remove(f"{_ESO}/cloud-billing-service-external-secret.yaml"),
    ),
    Plant(
        name="no instructions for certificates",
        criteria=("8.3",),
        names=("certs/README.md",),
        put=remove("edge-layer/edge-mqtt-broker/certs/README.md"),
    ),
    Plant(
        name="EXTRACT on a difference of dates",
        sessions=("dbt",),
        criteria=("3.3", "M.3"),
        names=("fact_batch_cohort",),
        put=put_in(
            _COHORT,
            r"\{\{ dbt\.datediff\([^)]*\) \}\}",
            "EXTRACT(day FROM (batch_end_date - batch_start_date))",
        ),
    ),
)
"""What only running things tells, mostly; all of them fit into one tree."""

READ = (
    Plant(
        name="a compose file that is no YAML",
        criteria=("8.1", "8.2", "1.2", "1.3", "2.1", "4.1", "4.2", "10.3"),
        names=("edge-layer/docker-compose.yml",),
        put=swap(
            "edge-layer/docker-compose.yml",
            '\n    ports:\n      - "127.0.0.1:5100',
            '\n   ports:\n      - "127.0.0.1:5100',
        ),
    ),
    Plant(
        name="no pytest configuration",
        criteria=("6.1",),
        names=("pytest.ini",),
        put=remove(f"{_VISION}/pytest.ini"),
    ),
    Plant(
        name="no shared fixtures",
        criteria=("6.2",),
        names=("conftest.py",),
        put=remove(f"{_VISION}/conftest.py"),
    ),
    Plant(
        name="no restore procedure",
        criteria=("9.4",),
        names=("scripts/restore-database.sh",),
        put=remove("scripts/restore-database.sh"),
    ),
    Plant(
        name="a CronJob with a field that the API does not know",
        criteria=("9.2",),
        names=("scheduler",),
        put=put_in(
            "k8s/backup-cronjob.yaml",
            r"(?m)^  schedule: \"0 2",
            '  scheduler: nightly\n  schedule: "0 2',
        ),
    ),
    Plant(
        name="a lock file left with conflict markers",
        criteria=("2.1",),
        names=("package-lock.json",),
        put=put_in(f"{_IDENTITY}/package-lock.json", r"\A\{", "<<<<<<< ours\n{"),
    ),
)
"""What reading alone tells; these keep services from starting, so they have a tree of their own."""


def plant(root: Path, plants: Sequence[Plant]) -> Path:
    """Put every plant into the fixed tree at `root` and return it."""
    for item in plants:
        item.put(root)
    return root


def completion_report() -> str:
    """Return what a team hands in that is done: every box of the order ticked."""
    boxes = "\n".join(f"- [x] {item.id} {item.text}" for item in WO_004.criteria)
    return f"# Done\n\n{boxes}\n\nCreated: `k8s/network-policies/deny-all.yaml`\n"
