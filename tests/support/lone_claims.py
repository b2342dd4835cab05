"""False claims that exclude each other: each is planted into a tree of its own.

`criteria` are those that are refuted by what `sessions` names, or by reading alone.
"""

from __future__ import annotations

from tests.support.false_claims import Plant, both, put_in, remove, swap, write

_CLOUD = "cloud-layer"
_IDENTITY = f"{_CLOUD}/cloud-identity-access"
_BILLING = f"{_CLOUD}/cloud-billing-service"
_VISION = "edge-layer/edge-vision-inference"
_INFERENCE = f"{_CLOUD}/cloud-inference-server/app"
_BROKER = "edge-layer/edge-mqtt-broker"
_LIMITER = f"{_IDENTITY}/src/middleware/authRateLimiter.ts"
_ROUTES = f"{_IDENTITY}/src/routes/authRoutes.ts"
_COMPOSE = f"{_CLOUD}/docker-compose.yml"


def _limiter(options: str, ahead: str = "") -> str:
    """Return a limiter of the order's own message, `options` before it, for both routes."""
    message = (
        "{ error: { code: 'TOO_MANY_REQUESTS', message: 'Too many login attempts, "
        "please try again after 15 minutes' } }"
    )
    return (
        "import { rateLimit } from 'express-rate-limit';\n"
        f"{ahead}\n"
        "const body = (req: { body?: unknown }): string => "
        "String((req.body as { email?: string; refreshToken?: string })?.email ?? '');\n"
        "export const loginRateLimiter = rateLimit({\n"
        f"  standardHeaders: true,\n  keyGenerator: body,\n  {options},\n  message: {message},\n"
        "});\n"
        "export const refreshRateLimiter = rateLimit({\n"
        f"  windowMs: 15 * 60 * 1000,\n  limit: 5,\n  message: {message},\n"
        "});\n"
    )


_LONG = "windowMs: 15 * 60 * 1000"
_READ_LOGIN = "detect.rate-limit.login-is-limited"
_SIXTH = "rate-limit.sixth-bad-login"

LIMITERS = (
    Plant(
        name="a limiter of a thousand with the order's message",
        criteria=("2.1", "2.3"),
        names=("1000",),
        sessions=("live_probes",),
        only=_SIXTH,
        red=(_READ_LOGIN, _SIXTH),
        put=write(_LIMITER, _limiter(f"{_LONG}, max: 1000")),
    ),
    Plant(
        name="a limiter whose window is a second",
        criteria=("2.1",),
        names=("900",),
        sessions=("live_probes",),
        only="rate-limit.the-429",
        red=(_READ_LOGIN, "rate-limit.the-429"),
        put=write(_LIMITER, _limiter("windowMs: 1000, limit: 5")),
    ),
    Plant(
        name="a limiter that skips everybody",
        criteria=("2.1", "2.3"),
        names=("skip",),
        sessions=("live_probes",),
        only=_SIXTH,
        red=(_READ_LOGIN, _SIXTH),
        put=write(_LIMITER, _limiter(f"{_LONG}, limit: 5, skip: () => true")),
    ),
    Plant(
        name="a limiter that counts no failures",
        criteria=("2.1", "2.3"),
        names=("no failed attempt",),
        sessions=("live_probes",),
        only=_SIXTH,
        red=(_READ_LOGIN, _SIXTH),
        put=write(_LIMITER, _limiter(f"{_LONG}, limit: 5, skipFailedRequests: true")),
    ),
    Plant(
        name="a limit that compose sets high",
        criteria=("2.1", "2.3"),
        names=("5000", "docker-compose.yml"),
        sessions=("live_probes",),
        only="rate-limit.as-deployed",
        red=(_READ_LOGIN, "rate-limit.as-deployed"),
        put=both(
            write(_LIMITER, _limiter(f"{_LONG}, limit: Number(process.env.LOGIN_MAX || 5)")),
            swap(_COMPOSE, "      JWT_EXPIRES_IN: 15m\n", "      JWT_EXPIRES_IN: 15m\n"
                 "      LOGIN_MAX: '5000'\n"),
        ),
    ),
    Plant(
        name="a limiter mounted behind its route",
        criteria=("2.1", "2.3"),
        names=("authRoutes.ts",),
        sessions=("live_probes",),
        only=_SIXTH,
        red=(_READ_LOGIN, _SIXTH),
        put=swap(
            _ROUTES,
            "router.post('/login', loginRateLimiter, authController.login);",
            "router.post('/login', authController.login);\nrouter.use(loginRateLimiter);",
        ),
    ),
)  # fmt: skip

_READ = (
    Plant(
        name="a list of every origin by another name",
        criteria=("1.1", "1.3"),
        names=("main.py",),
        put=both(
            swap(
                f"{_INFERENCE}/main.py",
                "from app.cors import install_cors",
                "from fastapi.middleware.cors import CORSMiddleware",
            ),
            put_in(
                f"{_INFERENCE}/main.py",
                r"(?m)^install_cors\(app.*\)$",
                "everyone = '*'\norigins = [everyone]\n"
                "app.add_middleware(CORSMiddleware, allow_origins=origins)",
            ),
        ),
    ),
    Plant(
        name="a token's secret with a fallback",
        criteria=("4.1", "10.3"),
        names=("config/index.ts",),
        put=swap(
            f"{_IDENTITY}/src/config/index.ts",
            "jwtSecret: process.env.JWT_SECRET,",
            "jwtSecret: process.env.JWT_SECRET || 'farm-dev-2f9a1c',",
        ),
    ),
    Plant(
        name="the broker's certificates not mounted",
        criteria=("8.1", "8.2"),
        names=("docker-compose.yml",),
        put=swap(
            "edge-layer/docker-compose.yml",
            "      - ./edge-mqtt-broker/certs/broker:/mosquitto/config/certs:ro\n",
            "",
        ),
    ),
    Plant(
        name="production that listens in plain text as well",
        criteria=("8.4",),
        names=("mosquitto.prod.conf",),
        put=swap(
            f"{_BROKER}/mosquitto.prod.conf", "listener 8883\n", "listener 1883\n\nlistener 8883\n"
        ),
    ),
    Plant(
        name="a backup at noon",
        criteria=("9.2",),
        names=("backup-cronjob.yaml",),
        put=swap("k8s/backup-cronjob.yaml", 'schedule: "0 2 * * *"', 'schedule: "0 12 * * *"'),
    ),
    Plant(
        name="a service's secret that nothing delivers",
        criteria=("10.3",),
        names=("PAYMENT_WEBHOOK_SECRET",),
        put=swap(
            "k8s/external-secrets/cloud-billing-service-external-secret.yaml",
            "    - secretKey: PAYMENT_WEBHOOK_SECRET\n"
            "      remoteRef:\n"
            "        key: farmiq-prod-payment-webhook-secret\n",
            "",
        ),
    ),
    Plant(
        name="a store that was never written",
        criteria=("10.2", "10.3"),
        names=("store",),
        put=remove("k8s/external-secrets/cluster-secret-store.yaml"),
    ),
    Plant(
        name="a parenthesis taken out of the model again",
        criteria=("3.1",),
        names=("fact_batch_cohort",),
        put=swap(
            f"{_CLOUD}/cloud-data-pipeline/models/marts/analytics/fact_batch_cohort.sql",
            "NULLIF(SUM(animal_count), 0)) as",
            "NULLIF(SUM(animal_count), 0) as",
        ),
    ),
)

_RUN = (
    Plant(
        name="a year of HTTPS that is a day",
        criteria=("7.4",),
        names=("max-age=86400",),
        put=swap(f"{_INFERENCE}/security_headers.py", "max-age=31536000", "max-age=86400"),
    ),
    Plant(
        name="framing allowed in one service",
        criteria=("7.2",),
        names=("ALLOWALL",),
        put=swap(
            f"{_INFERENCE}/security_headers.py",
            '    "X-Frame-Options": "DENY",\n',
            '    "X-Frame-Options": "ALLOWALL",\n',
        ),
    ),
    Plant(
        name="invoice tests that are skipped",
        criteria=("5.1", "M.4"),
        names=("invoiceService.test.ts",),
        sessions=("billing_jest",),
        put=put_in(
            f"{_BILLING}/tests/invoiceService.test.ts", r"(?m)^describe\(", "describe.skip("
        ),
    ),
    Plant(
        name="no tests of subscriptions",
        criteria=("5.2",),
        names=("subscriptionService",),
        sessions=("billing_jest",),
        put=remove(f"{_BILLING}/tests/subscriptionService.test.ts"),
    ),
    Plant(
        name="no tests of usage metering",
        criteria=("5.4",),
        names=("usageMeteringService",),
        sessions=("billing_jest",),
        put=remove(f"{_BILLING}/tests/usageMeteringService.test.ts"),
    ),
    Plant(
        name="inference tests that are skipped",
        criteria=("6.3", "M.5"),
        names=("test_inference_service.py",),
        sessions=("vision_pytest",),
        put=put_in(
            f"{_VISION}/tests/test_inference_service.py",
            r"(?m)^pytestmark = .*$",
            "pytestmark = [pytest.mark.unit, pytest.mark.skip(reason='later')]",
        ),
    ),
)

APART = (*LIMITERS, *_READ, *_RUN)
